export { fromPostgresJs, postgresJsDatabase } from '@oncebox/core/postgres-js'
