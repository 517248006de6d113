// Prints its arguments with a space between them; `-n` first leaves out the newline.

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    int first = 1;
    int newline = 1;
    if (argc > 1 && strcmp(argv[1], "-n") == 0) {
        first = 2;
        newline = 0;
    }
    for (int i = first; i < argc; i++) {
        if (i > first) putchar(' ');
        fputs(argv[i], stdout);
    }
    if (newline) putchar('\n');
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
