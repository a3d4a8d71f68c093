import { migrateCommand } from '@oncebox/schema'
import { schemaFlag } from '../../wording.js'
import { defineCheck } from '../check.js'

export const migrations = defineCheck({
  name: 'migrations',
  needs: ['migrations'],
  why: 'A relay or consumer of this version does not start on an older schema, and cannot trust one that was changed by hand.',
  judge({ migrations: { schema, databaseVersion, codeVersion, migrations: all } }) {
    const name = JSON.stringify(schema)
    const unsound = all.filter(({ state }) => ['changed', 'missing', 'skipped'].includes(state))
    if (unsound.length > 0) {
      const list = unsound.map(({ version, state }) => `${version} is ${state}`).join(', ')
      const next = `Run "oncebox plan${schemaFlag(schema)}" and install the version that applied them; never edit migrations.`
      return [
        {
          code: 'MIGRATIONS_UNSOUND',
          what: `Migrations of schema ${name} are not those of this version: ${list}.`,
          next,
        },
      ]
    }
    const pending = all.filter(({ state }) => state === 'pending').length
    if (pending === 0) return []
    const what =
      databaseVersion === null
        ? `There is no migrated schema ${name} in this database.`
        : `Schema ${name} is at version ${databaseVersion}, and this version of oncebox wants ${codeVersion}.`
    return [{ code: 'NOT_MIGRATED', what, next: `Run "${migrateCommand(schema)}".` }]
  },
})
