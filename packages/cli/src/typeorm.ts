export { fromTypeorm, typeormDatabase } from '@oncebox/core/typeorm'
