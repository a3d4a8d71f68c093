// postgres.js: its transactions for producers and guards, its instances for consumers.
export { fromPostgresJs, postgresJsDatabase } from '@oncebox/core/postgres-js'
