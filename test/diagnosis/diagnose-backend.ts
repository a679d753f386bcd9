import { diagnose, type Diagnosis, type DiagnoseRequest } from '../../src/diagnosis/diagnose.ts'
import { trustMaterial } from '../../src/diagnosis/trust-material.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import { serverPlan } from '../dial/dial-once.ts'

/** Diagnoses one backend on loopback as a target with these TLS settings would be. */
export async function diagnoseBackend(
  { host, port }: { readonly host: string; readonly port: number },
  tls: TargetTlsPlan,
  change: Partial<DiagnoseRequest> = {},
): Promise<Diagnosis> {
  const resolver = new Resolver()
  const plan = serverPlan({ host, port, tls })
  const server = { ...plan, timeouts: { ...plan.timeouts, connectMs: 1500, handshakeMs: 1500 } }
  try {
    return await diagnose({
      server,
      trust: new TargetTrust(tls),
      material: trustMaterial(tls),
      resolver,
      known: [],
      fetchIssuers: null,
      settle: true,
      compare: [],
      context: bareContext(host, port, Date.now()),
      ...change,
    })
  } finally {
    resolver.close()
  }
}
