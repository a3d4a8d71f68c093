import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ArmResult } from './armResult.js'

/** Runs an arm (a file of `arms/`) in a process of its own. Rejects when it fails or prints no result. */
export function runArm(arm: string, env: Readonly<Record<string, string>>): Promise<ArmResult> {
  const script = fileURLToPath(new URL(`./arms/${arm}.js`, import.meta.url))
  const child = spawn(process.execPath, ['--max-semi-space-size=16', script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const line = output.trim().split('\n').at(-1) ?? ''
      if (code !== 0 || !line.startsWith('{')) reject(new Error(`arm ${arm} ended with ${code} and no result`))
      else resolve(JSON.parse(line) as ArmResult)
    })
  })
}
