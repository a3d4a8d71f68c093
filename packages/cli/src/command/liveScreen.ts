/** The terminal that is drawn on: stdout, or what a test puts in its place. */
export interface TerminalStream {
  write(text: string): unknown
  readonly columns?: number
  readonly rows?: number
}

/** A full screen that is drawn again and again, and given back as it was. */
export interface LiveScreen {
  readonly size: { readonly columns: number; readonly rows: number }
  /** Draws over what is there; nothing flickers, since only what follows each line is erased. */
  draw(lines: readonly string[]): void
  /** Gives the terminal back: its text and its cursor. Idempotent. */
  close(): void
}

const alternate = { on: '\x1b[?1049h', off: '\x1b[?1049l' }
const cursor = { hide: '\x1b[?25l', show: '\x1b[?25h' }

/**
 * Takes the terminal's second screen. However the process ends by itself, the terminal is given back: `close` is also called
 * when it exits.
 */
export function openLiveScreen(stream: TerminalStream): LiveScreen {
  let open = true
  const close = () => {
    if (!open) return
    open = false
    process.off('exit', close)
    stream.write(`${cursor.show}${alternate.off}`)
  }
  process.on('exit', close)
  stream.write(`${alternate.on}${cursor.hide}`)
  return {
    get size() {
      return { columns: stream.columns ?? 80, rows: stream.rows ?? 24 }
    },
    draw(lines) {
      if (open) stream.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
    },
    close,
  }
}
