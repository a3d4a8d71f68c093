import { notMigrated } from '../../problems.js'
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
    const pending = all.some(({ state }) => state === 'pending')
    return pending ? [notMigrated(schema, databaseVersion, codeVersion)] : []
  },
})
