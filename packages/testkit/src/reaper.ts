import { spawn } from 'node:child_process'

/**
 * A tiny shell process that outlives this one for a moment: when this process ends, in whatever way (SIGKILL too),
 * the reaper's standard input closes, and it kills the server it was told about and removes the server's directory.
 * An `exit` hook could not do that after SIGKILL.
 */
export interface Reaper {
  /** The server that is to be killed when this process ends; `undefined` while none runs. */
  watch(pid: number | undefined): void
  /** Ends the reaper without killing or removing anything. */
  dismiss(): void
}

// The last line read wins. `kill -0` bounds the wait, so that files are removed after their server has let go of them.
const script = `
trap '' INT TERM HUP
pid=
while read -r line; do
  [ "$line" = dismiss ] && exit 0
  pid=$line
done
if [ -n "$pid" ] && [ "$pid" != none ]; then
  kill -CONT "$pid" 2>/dev/null
  kill -"$1" "$pid" 2>/dev/null
  i=0
  while kill -0 "$pid" 2>/dev/null && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null
fi
[ -n "$2" ] && rm -rf -- "$2"
`

/**
 * Starts a reaper. `signal` is what it kills with; `directory`, when given, is what it removes afterwards.
 * It keeps neither this process's event loop alive nor its output open.
 */
export function startReaper(signal: 'QUIT' | 'KILL', directory?: string): Reaper {
  const child = spawn('/bin/sh', ['-c', script, 'oncebox-reaper', signal, directory ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  // Node refs the pipe of a child even when the child itself is unreferenced.
  const stdin = child.stdin as typeof child.stdin & { unref?(): void }
  stdin.unref?.()
  // EPIPE after somebody killed the reaper: nothing is left to tell it.
  stdin.on('error', () => undefined)
  return {
    watch: (pid) => void stdin.write(`${pid ?? 'none'}\n`),
    dismiss: () => void stdin.end('dismiss\n'),
  }
}
