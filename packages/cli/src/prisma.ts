// Prisma: its transactions for producers and guards, its clients for consumers.
export { fromPrisma, prismaDatabase } from '@oncebox/core/prisma'
