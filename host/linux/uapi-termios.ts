// Terminal ioctls, struct termios and struct winsize (include/uapi/asm-generic/ioctls.h, termbits.h, termios.h).

export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TCSETSF = 0x5404;
export const TCGETA = 0x5405;
export const TCSBRK = 0x5409;
export const TCXONC = 0x540a;
export const TCFLSH = 0x540b;
export const TIOCSCTTY = 0x540e;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCOUTQ = 0x5411;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const FIONREAD = 0x541b;
export const FIONBIO = 0x5421;
export const TIOCNOTTY = 0x5422;
export const TIOCGSID = 0x5429;
export const FIONCLEX = 0x5450;
export const FIOCLEX = 0x5451;
export const FIOASYNC = 0x5452;
export const FIOQSIZE = 0x5460;
export const TIOCGETD = 0x5424;

export const ICANON = 0o000002;
export const ECHO = 0o000010;
export const ISIG = 0o000001;

//   struct termios (the kernel's, 36 bytes)
//    0     4     8     12    16   17           36
//   +-----+-----+-----+-----+----+------------+
//   |iflag|oflag|cflag|lflag|line| cc[19]     |
//   +-----+-----+-----+-----+----+------------+
export const SIZEOF_TERMIOS = 36;

/** What a freshly opened Linux terminal answers (tty_std_termios, with 38400 baud). */
export function standardTermios(): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_TERMIOS);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x4500, true); // ICRNL IXON IUTF8
  view.setUint32(4, 0x0005, true); // OPOST ONLCR
  view.setUint32(8, 0x00bf, true); // B38400 CS8 CREAD
  view.setUint32(12, 0x8a3b, true); // ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN
  // VINTR VQUIT VERASE VKILL VEOF VTIME VMIN VSWTC VSTART VSTOP VSUSP VEOL VREPRINT VDISCARD VWERASE VLNEXT VEOL2
  bytes.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0], 17);
  return bytes;
}

//   struct winsize: u16 rows, columns, xpixel, ypixel
export const SIZEOF_WINSIZE = 8;

export function encodeWinsize(rows: number, columns: number): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_WINSIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, rows, true);
  view.setUint16(2, columns, true);
  return bytes;
}
