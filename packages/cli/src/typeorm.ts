// TypeORM: its transactions for producers and guards, its data sources for consumers.
export { fromTypeorm, typeormDatabase } from '@oncebox/core/typeorm'
