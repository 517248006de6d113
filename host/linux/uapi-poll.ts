// struct pollfd, event bits, fd_set and epoll_event (include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h).

export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDNORM = 0x040;
export const POLLRDBAND = 0x080;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLRDHUP = 0x2000;

/** What select(2) counts as readable, writable, exceptional (fs/select.c POLLIN_SET ...). */
export const POLLIN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
export const POLLOUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
export const POLLEX_SET = POLLPRI;

//   struct pollfd            struct epoll_event (packed on x86-64)
//    0    4      6            0      4        12
//   +----+------+-------+    +------+--------+
//   | fd |events|revents|    |events| data   |
//   +----+------+-------+    +------+--------+
export const SIZEOF_POLLFD = 8;
export const SIZEOF_EPOLL_EVENT = 12;
export const FD_SETSIZE = 1024;

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLET = 0x80000000;
export const EPOLLONESHOT = 0x40000000;

export const EFD_SEMAPHORE = 1;
