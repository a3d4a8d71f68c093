import type { PartOptions, PartReport } from '../partReport.js'
import { inboxMutants } from './inboxMutants.js'
import type { Mutant, Suite } from './mutant.js'
import { otherMutants } from './otherMutants.js'
import { relayMutants } from './relayMutants.js'
import { runSuite } from './runSuite.js'
import { copyWorkspace, type WorkspaceCopy } from './workspaceCopy.js'

export const mutants: readonly Mutant[] = [...relayMutants, ...inboxMutants, ...otherMutants]

/** Which test killed which mutant. */
export interface Killed {
  readonly mutant: string
  readonly by: string
}

/**
 * Each mutant against the tests that are to kill it, after these have passed on sound code. A mutant that lives, does not
 * apply or does not even load is a problem. The tests take the servers that this process offers to its children.
 */
export async function mutantRuns(
  { chosen = mutants, atOnce }: { chosen?: readonly Mutant[]; atOnce: number },
  { progress }: Pick<PartOptions, 'progress'>,
): Promise<PartReport & { readonly killed: readonly Killed[] }> {
  const start = performance.now()
  const waiting = [...chosen]
  const killed: Killed[] = []
  const problems: string[] = []
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      await using copy = await copyWorkspace()
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const by = await kill(copy, mutant).catch((error: Error) => error)
        if (by instanceof Error) problems.push(by.message)
        else killed.push({ mutant: mutant.name, by })
        progress(`${by instanceof Error ? by.message : `killed: ${mutant.name}, by "${by}"`}`)
      }
    }),
  )
  return {
    part: 'mutants',
    figures: { mutants: chosen.length, killed: killed.length },
    killed,
    problems,
    seconds: (performance.now() - start) / 1_000,
  }
}

/** The test that killed it. @throws Error saying why it lives. */
async function kill(copy: WorkspaceCopy, mutant: Mutant): Promise<string> {
  const spoiltRun = await copy.during(mutant, () => runSuite(copy, mutant.suite))
  if (spoiltRun.broken !== null) throw new Error(`mutant "${mutant.name}" could not be tried: ${spoiltRun.broken}`)
  const [by] = spoiltRun.failed
  if (by === undefined) throw new Error(`mutant "${mutant.name}" lives: ${describe(mutant.suite)} passes with it`)
  // A test that fails on sound code as well has killed nothing.
  const soundRun = await runSuite(copy, mutant.suite)
  if (soundRun.failed.length > 0 || soundRun.broken !== null) {
    throw new Error(`mutant "${mutant.name}": ${describe(mutant.suite)} fails without it too`)
  }
  return by
}

function describe({ file, tests }: Suite): string {
  return tests === undefined ? file : `${file} ("${tests}")`
}
