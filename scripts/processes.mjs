import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { delimiter, dirname } from 'node:path'
import { root } from './root.mjs'

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Runs a Node program in the root directory with all of our standard streams. Resolves with its exit code. */
export function runToEnd(toolchain, command) {
  return run(toolchain.node, command, toolchain, 'inherit')
}

/** As `runToEnd`, but what it prints goes to standard error and it reads nothing. */
export function runStep(toolchain, command) {
  return run(toolchain.node, command, toolchain, ['ignore', 2, 2])
}

/** Runs any program as `runStep` does. */
export function runProgram(program, command, toolchain) {
  return run(program, command, toolchain, ['ignore', 2, 2])
}

function run(program, command, toolchain, stdio) {
  // What the program starts finds the same Node.
  const path = [dirname(toolchain.node), process.env.PATH].join(delimiter)
  const child = spawn(program, command, { cwd: root, stdio, env: { ...process.env, PATH: path } })
  // We end when the child has ended, and it decides how. Ctrl-C at a terminal reaches it without us; a second SIGINT
  // would tell it to hurry.
  const listeners = forwarded.map((signal) => {
    const forward = () => {
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal)
    }
    process.on(signal, forward)
    return () => process.off(signal, forward)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  }).finally(() => {
    for (const stopListening of listeners) stopListening()
  })
}
