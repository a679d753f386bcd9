/** Of a stored proxy: ORG/ENV/API/REVISION/NAME. */
const partsBefore = 4

/**
 * What a proxy calls its target endpoint: `default` of `acme/test/orders/3/default`. Targets of the configuration file have one
 * name.
 */
export function shortTargetName(target: string, organization: string, environment: string): string {
  if (!target.startsWith(`${organization}/${environment}/`)) return target
  const parts = target.split('/')
  return parts.length > partsBefore ? parts.slice(partsBefore).join('/') : target
}
