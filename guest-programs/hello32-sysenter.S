# Hello, world for i386 by the fast door: __kernel_vsyscall of the vDSO, whose address the auxiliary vector tells as AT_SYSINFO. It
# enters the kernel by SYSENTER on an Intel processor and by SYSCALL on one of AMD's.
        .code32
        .set    AT_NULL, 0
        .set    AT_SYSINFO, 32

        .globl  _start
        .text
_start:
        mov     (%esp), %eax            # argc; behind argv and its null pointer envp, behind envp the auxiliary vector
        lea     8(%esp,%eax,4), %esi
1:      lodsl                           # the environment's pointers, up to the null one
        test    %eax, %eax
        jnz     1b
2:      lodsl                           # pairs of type and value
        mov     %eax, %ecx
        lodsl
        cmp     $AT_SYSINFO, %ecx
        je      3f
        cmp     $AT_NULL, %ecx
        jne     2b
        mov     $1, %eax                # there is no vDSO: exit status 1
        mov     $1, %ebx
        int     $0x80

3:      mov     %eax, %ebp              # __kernel_vsyscall keeps all registers but EAX
        mov     $4, %eax                # write
        mov     $1, %ebx
        mov     $message, %ecx
        mov     $message_end - message, %edx
        call    *%ebp
        mov     $252, %eax              # exit_group
        xor     %ebx, %ebx
        call    *%ebp

        .section .rodata
message:
        .ascii  "Hello, world!\n"
message_end:

        .section .note.GNU-stack, "", @progbits
