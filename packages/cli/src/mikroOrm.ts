// MikroORM: its transactions for producers and guards, its entity managers for consumers.
export { fromMikroOrm, mikroOrmDatabase } from '@oncebox/core/mikro-orm'
