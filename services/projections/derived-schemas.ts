/**
 * Schemas that hold nothing but what the ledger says, as patterns of LIKE: whoever copies a database may leave them out, and the next start
 * builds them again.
 */
export const derivedSchemas: readonly string[] = ['chartwarden\\_projections', 'chartwarden\\_read\\_%']
