import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ArmResult } from './armResult.js'

/** Longer than any arm takes: one that hangs must not keep the others. */
const deadlineMs = 20 * 60_000

/** V8's option is that of a relay's process; the warning is kafkajs's, once a process. */
const nodeOptions = ['--max-semi-space-size=16', '--disable-warning=TimeoutNegativeWarning']

/** Runs an arm (a file of `arms/`) in a process of its own. Rejects when it fails, hangs, or prints no result. */
export function runArm(arm: string, env: Readonly<Record<string, string>>): Promise<ArmResult> {
  const child = spawnArm(arm, env)
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  return new Promise<ArmResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const line = output.trim().split('\n').at(-1) ?? ''
      if (code !== 0 || !line.startsWith('{'))
        reject(new Error(`arm ${arm} ended with ${code ?? signal} and no result`))
      else resolve(JSON.parse(line) as ArmResult)
    })
  }).finally(() => clearTimeout(timer))
}

/** Starts an arm's process with the options of V8 that a relay is started with. It dies with this process. */
export function spawnArm(arm: string, env: Readonly<Record<string, string>>): ChildProcess {
  const script = fileURLToPath(new URL(`./arms/${arm}.js`, import.meta.url))
  const child = spawn(process.execPath, [...nodeOptions, script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('close', () => process.off('exit', end))
  return child
}
