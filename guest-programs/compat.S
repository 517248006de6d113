# 64-bit code, 32-bit code and back, by far returns: what Linux's GDT offers any program at CPL 3 (selector 0x23 is a 32-bit code
# segment, 0x33 the 64-bit one). The 32-bit part runs the one-byte instructions that 64-bit mode has given to other uses.
# Prints one line; the exit status is 0 when every result is right.

        .set    USER32_CS, 0x23
        .set    USER_CS, 0x33
        .set    USER_DS, 0x2b

        .globl  _start
        .text
_start:
        mov     $USER_DS, %eax          # 64-bit mode needs no DS and ES; 32-bit code does
        mov     %eax, %ds
        mov     %eax, %es
        mov     %rsp, saved_stack(%rip)
        lea     stack_top(%rip), %rsp   # below 4 GiB, where ESP reaches
        xor     %ebp, %ebp              # results, one bit each
        mov     $-1, %r8                # the registers that 32-bit code cannot name stay as they are
        push    $USER32_CS
        lea     in_32_bits(%rip), %rax
        push    %rax
        lretq

        .code32
in_32_bits:
        # DAA: 0x19 + 0x28 is 0x41, as decimal digits 47
        mov     $0x19, %al
        add     $0x28, %al
        daa
        cmp     $0x47, %al
        jne     1f
        or      $0x01, %ebp
1:      # AAM and AAD: 123 is 12 tens and 3
        mov     $123, %al
        aam
        cmp     $0x0c03, %ax
        jne     1f
        aad
        cmp     $123, %al
        jne     1f
        or      $0x02, %ebp
1:      # 40..4F are INC and DEC
        mov     $0xffffffff, %ecx
        .byte   0x41                    # inc %ecx
        jnz     1f
        .byte   0x49                    # dec %ecx
        cmp     $0xffffffff, %ecx
        jne     1f
        or      $0x04, %ebp
1:      # PUSHA stores the ESP it began with; POPA skips it
        mov     %esp, %edx
        pusha
        cmp     %edx, 12(%esp)
        jne     1f
        movl    $0x1234, 16(%esp)       # EBX
        popa
        cmp     $0x1234, %ebx
        jne     1f
        cmp     %esp, %edx
        jne     1f
        or      $0x08, %ebp
1:      # BOUND within its bounds is nothing
        mov     $5, %eax
        bound   %eax, bounds
        or      $0x10, %ebp
        # a 16-bit push moves ESP by two; PUSH CS and POP ES
        mov     %esp, %edx
        pushw   %cs
        sub     %esp, %edx
        cmp     $2, %edx
        jne     1f
        popw    %ax
        cmp     $USER32_CS, %ax
        jne     1f
        push    %ds
        pop     %es
        or      $0x20, %ebp
1:      # LDS loads a selector with an offset; ARPL raises an RPL
        lds     far_pointer, %esi
        cmp     $0x89abcdef, %esi
        jne     1f
        mov     $0x28, %ax
        mov     $3, %cx
        arpl    %cx, %ax
        jnz     1f
        cmp     $0x2b, %ax
        jne     1f
        or      $0x40, %ebp
1:      # addresses wrap at 4 GiB, and 67 makes them 16 bits wide
        mov     $0xfffffff0, %eax
        mov     value + 0x10(%eax), %ecx
        cmp     $0xfeedf00d, %ecx
        jne     1f
        mov     $0x12340007, %ebx
        mov     $0x00000005, %esi
        lea     4(%bx,%si), %eax        # 67: 7 + 5 + 4
        cmp     $0x10, %eax
        jne     1f
        or      $0x80, %ebp
1:      # a far call to 64-bit code and its far return; RSP's upper half is zero there
        lcall   $USER_CS, $called_64
        cmp     $0x40, %eax
        jne     1f
        or      $0x100, %ebp
1:      ljmp    $USER_CS, $back_in_64

        .code64
called_64:
        mov     %cs, %ecx
        cmp     $USER_CS, %ecx
        jne     1f
        mov     $0x40, %eax
1:      lretl                           # 32-bit operands: the frame that LCALL has pushed

back_in_64:
        mov     saved_stack(%rip), %rsp
        cmp     $-1, %r8
        jne     1f
        or      $0x200, %ebp
1:      cmp     $0x3ff, %ebp
        jne     wrong
        mov     $1, %eax                # __NR_write
        mov     $1, %edi
        lea     message(%rip), %rsi
        mov     $message_length, %edx
        syscall
        xor     %edi, %edi
        mov     $231, %eax              # __NR_exit_group
        syscall
wrong:
        not     %ebp
        mov     %ebp, %edi              # the low bits that are missing
        and     $0x7f, %edi
        or      $0x80, %edi
        mov     $231, %eax
        syscall

        .data
        .balign 8
bounds:         .long   0, 10
far_pointer:    .long   0x89abcdef
                .word   USER_DS
                .balign 4
value:          .long   0xfeedf00d
message:        .ascii  "compat: ten checks in 32-bit code hold\n"
        .set    message_length, . - message

        .bss
        .balign 16
saved_stack:    .skip   8
stack:          .skip   4096
stack_top:      .skip   16

        .section .note.GNU-stack, "", @progbits
