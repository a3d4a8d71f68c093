import type { Tx } from '@oncebox/core'
import type { ReadinessCheck } from './readiness.js'

/** Whether the database answers. Asks one question at a time, however many probes there are. `tx`: a pool does. */
export function databaseReadiness(tx: Tx): ReadinessCheck {
  let asked: Promise<string | null> | undefined
  return {
    name: 'database',
    check() {
      asked ??= tx
        .query('SELECT 1')
        .then(
          () => null,
          () => 'does not answer',
        )
        .finally(() => {
          asked = undefined
        })
      return asked
    },
  }
}
