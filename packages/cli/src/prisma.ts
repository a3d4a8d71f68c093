export { fromPrisma, prismaDatabase } from '@oncebox/core/prisma'
