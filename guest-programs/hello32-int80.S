# Hello, world for i386: the numbers are another table's (write is 4, exit is 1), the arguments stand in EBX, ECX, EDX, and the door is
# INT 0x80. No library, no vDSO.
        .code32
        .globl  _start
        .text
_start:
        mov     $4, %eax                # write
        mov     $1, %ebx                # standard output
        mov     $message, %ecx
        mov     $message_end - message, %edx
        int     $0x80
        mov     $1, %eax                # exit
        xor     %ebx, %ebx
        int     $0x80

        .section .rodata
message:
        .ascii  "Hello, world!\n"
message_end:

        .section .note.GNU-stack, "", @progbits
