// Copies files, or standard input (no operand, or `-`), to standard output by read and write alone.
// Ends with status 1 when a file could not be read, after the others were copied.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char buffer[65536];

static int copy(int fd, const char *name) {
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got == 0) return 0;
        if (got < 0) {
            if (errno == EINTR) continue;
            fprintf(stderr, "cat: %s: %s\n", name, strerror(errno));
            return 1;
        }
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(1, buffer + done, got - done);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) {
                fprintf(stderr, "cat: write: %s\n", strerror(errno));
                _exit(1);
            }
            done += put;
        }
    }
}

int main(int argc, char **argv) {
    int status = 0;
    if (argc < 2) return copy(0, "standard input");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-") == 0) {
            status |= copy(0, "standard input");
            continue;
        }
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(stderr, "cat: %s: %s\n", argv[i], strerror(errno));
            status = 1;
            continue;
        }
        status |= copy(fd, argv[i]);
        close(fd);
    }
    return status;
}
