import { installed } from '../command/installed.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'

export interface DemoFlags extends CommonFlags {
  readonly messages: number
  readonly seed: number
  readonly kafka?: boolean
  readonly dashboard?: boolean
}

/**
 * `oncebox demo`: services of its own on servers of its own, disturbed as `seed` plans it, and the account of it. 1 when
 * anything is lost, applied twice, made up or out of order; 130 when it was interrupted.
 */
export async function demo(flags: DemoFlags, { output, logger }: Console): Promise<number> {
  const { runDemo } = await installed(() => import('../demo/demo.js'))
  const { messages, seed, kafka = false, dashboard = false } = flags
  return runDemo({ messages, seed, kafka, dashboard, json: output.json, logger })
}
