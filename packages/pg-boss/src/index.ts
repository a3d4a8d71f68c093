export type { ConnectionPool, ConnectionQuery, PgBossOptions, PooledConnection } from './options.js'
export { pgBoss } from './pgBoss.js'
export { queueName } from './queueName.js'
