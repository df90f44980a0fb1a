import { z } from 'zod'

/** How a pool takes part in sidechains, as its configuration says it. */
export const bmmSchema = z.strictObject({
  /** The enforcer's template server; without one, templates come from the node. */
  templateUrl: z
    .url({ protocol: /^https?$/ })
    .refine(url => !url.includes('@'), 'it takes no user and password')
    .optional(),
  drivechainOpcode: z.enum(['nop5', 'nop8']),
})

export type BmmConfig = z.infer<typeof bmmSchema>
