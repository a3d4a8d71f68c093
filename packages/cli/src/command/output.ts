/** What a verb says on stdout, in both of its faces: one JSON document a line with `--json`, text without. */
export interface Output {
  readonly json: boolean
  /** Writes `value` as a line of JSON, or what `text` returns (nothing for null). */
  write(value: object, text: () => string | null): void
  /** Writes `text` as it is, in both faces: for what is neither (printed SQL). */
  raw(text: string): void
  /** Aborts when whoever reads stdout has gone away (`oncebox tail | head`). */
  readonly closed: AbortSignal
  /** Resolves when everything written has left the process. */
  flush(): Promise<void>
}

export function createOutput(stream: NodeJS.WriteStream, json: boolean): Output {
  const closed = new AbortController()
  stream.on('error', () => closed.abort())
  const write = (text: string) => {
    if (!closed.signal.aborted) stream.write(text)
  }
  return {
    json,
    closed: closed.signal,
    write(value, text) {
      if (json) return write(`${JSON.stringify(value)}\n`)
      const lines = text()
      if (lines !== null) write(lines.endsWith('\n') ? lines : `${lines}\n`)
    },
    raw: write,
    flush: () =>
      new Promise((resolve) => {
        if (closed.signal.aborted) return resolve()
        closed.signal.addEventListener('abort', () => resolve(), { once: true })
        stream.write('', () => resolve())
      }),
  }
}
