# Hello, world with nothing between the program and the kernel: no libc, no start-up code, two system calls.
# `ring3 trace hello-asm` shows the first one cross.
#
# Registers at `syscall` (x86-64 ABI, appendix A.2.1): rax = number, then rdi, rsi, rdx, r10, r8, r9.
# The instruction itself overwrites rcx (with the return address) and r11 (with rflags).

        .globl  _start
        .text
_start:
        mov     $1, %eax                # __NR_write
        mov     $1, %edi                # fd: standard output
        lea     message(%rip), %rsi     # buf
        mov     $message_length, %edx   # count
        syscall

        mov     $231, %eax              # __NR_exit_group
        xor     %edi, %edi              # status 0
        syscall

        .section .rodata
message:
        .ascii  "Hello, world!\n"
        .set    message_length, . - message

        .section .note.GNU-stack, "", @progbits
