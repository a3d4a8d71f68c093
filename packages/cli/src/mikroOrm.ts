export { fromMikroOrm, mikroOrmDatabase } from '@oncebox/core/mikro-orm'
