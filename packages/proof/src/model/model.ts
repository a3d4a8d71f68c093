import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { PartOptions, PartReport } from '../partReport.js'

const run = promisify(execFile)

/** The models, in Promela, each with the defects that its text can be given. */
export const models: Readonly<Record<string, readonly string[]>> = {
  window: ['IGNORE_XIP', 'ONLY_XIP', 'CURSOR_FIRST', 'KEEP_LAST'],
  lease: ['FROM_ANSWER', 'NO_EPOCH'],
  ring: ['LOOK_FIRST', 'XMIN_ONLY'],
  floor: ['FLOOR_FIRST', 'EMPTY_FIRST'],
}

/** Why models cannot be checked here, or undefined. */
export async function checkerMissing(): Promise<string | undefined> {
  const found = await Promise.all([run('spin', ['-V']), run('gcc', ['--version'])]).then(
    () => true,
    () => false,
  )
  return found ? undefined : 'spin or gcc is not installed (apt-get install spin gcc)'
}

export interface Checked {
  /** What was found in the first run that breaks a claim; null: none does. */
  readonly violated: string | null
  readonly states: number
}

/** Looks through every run of a model, or of one of its defects. */
export async function check(model: string, defect?: string): Promise<Checked> {
  const directory = await mkdtemp(join(tmpdir(), 'oncebox-model-'))
  try {
    const file = fileURLToPath(new URL(`../../model/${model}.pml`, import.meta.url))
    await run('spin', ['-a', ...(defect === undefined ? [] : [`-D${defect}`]), file], { cwd: directory })
    await run('gcc', ['-O1', '-DSAFETY', '-w', '-o', 'pan', 'pan.c'], { cwd: directory })
    // Whoever waits for what never comes is no violation: only the claims are.
    const { stdout } = await run('./pan', ['-E', '-m200000'], { cwd: directory })
    const states = Number(/^\s*(\S+) states, stored/m.exec(stdout)?.[1] ?? 0)
    if (!/errors: \d+/.test(stdout) || /max search depth too small/.test(stdout))
      throw new Error(`${model} was not checked to its end:\n${stdout}`)
    return { violated: /assertion violated .*/.exec(stdout)?.[0] ?? null, states }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Every model holds, and every defect breaks it. */
export async function modelRuns({ progress }: PartOptions): Promise<PartReport> {
  const begun = performance.now()
  const seconds = (): number => (performance.now() - begun) / 1_000
  const missing = await checkerMissing()
  if (missing !== undefined) return { part: 'model', figures: { skipped: missing }, problems: [], seconds: seconds() }
  const figures: Record<string, number | string> = {}
  const problems: string[] = []
  for (const [model, defects] of Object.entries(models)) {
    const { violated, states } = await check(model)
    figures[`${model}, states`] = states
    if (violated !== null) problems.push(`model ${model}: ${violated}`)
    for (const defect of defects) {
      if ((await check(model, defect)).violated === null)
        problems.push(`model ${model} does not find the defect ${defect}`)
    }
    progress(`model: ${model} and ${defects.length} defects`)
  }
  return {
    part: 'model',
    figures: { ...figures, defects: Object.values(models).flat().length },
    problems,
    seconds: seconds(),
  }
}
