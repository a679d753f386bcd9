import type { Remedy } from './model.ts'
import type { MissingCertificate, RemedyContext } from './remedy-context.ts'
import { exportTo, quoted, remedy } from './remedy-parts.ts'
import { fileStem, onOneLine, shellWord } from './shell.ts'

/** The same certificate, put where a mounted Secret or an Edge management API hands it out. */
export function elsewhereRemedies(
  context: RemedyContext,
  missing: MissingCertificate,
  role: 'anchor' | 'intermediate',
): readonly Remedy[] {
  return [...(role === 'anchor' ? [kubernetesRemedy(context, missing)] : []), edgeRemedy(context, missing, role)]
}

/**
 * The Secret of the self-hosted gateway's recipe. `apply` replaces a Secret whole, so the bundle in force is read first; a
 * bundle of one certificate would cut every other backend off.
 */
function kubernetesRemedy(context: RemedyContext, missing: MissingCertificate): Remedy {
  const { kubernetes } = context
  const file = `${fileStem(missing.ref.subject)}.pem`
  const mounted = context.stores
    .flatMap(({ sources }) => sources)
    .find(({ kind, path }) => kind === 'env' && path !== null)
  const guess = mounted?.path?.split('/').at(-1) ?? ''
  const key = kubernetes?.key ?? (/^[A-Za-z0-9._-]+$/.test(guess) ? guess : 'ca-bundle.crt')
  const variable = mounted === undefined ? 'is mounted as a directory' : 'SSL_CERT_FILE leads to'
  return remedy('kubernetes-secret', {
    action: `On Kubernetes: add ${quoted(missing.ref.subject)} to the Secret that ${variable}; the running gateway takes it up without a restart.`,
    commands: () => {
      const name =
        kubernetes === null ? '"${SECRET:?name of the Secret that is mounted}"' : shellWord(kubernetes.secret)
      const space = kubernetes?.namespace == null ? '' : ` -n ${shellWord(kubernetes.namespace)}`
      const bundle = shellWord(`${key}.new`)
      // one command: had the first part failed or the key been another, the rest would cut every other backend off
      const replace = [
        `kubectl get secret${space} ${name} -o ${shellWord(`go-template={{index .data "${key}" | base64decode}}`)} > ${bundle}`,
        `test -s ${bundle}`,
        `printf '\\n' | cat - ${shellWord(file)} >> ${bundle}`,
        `kubectl create secret generic${space} ${name} --from-file=${shellWord(`${key}=${key}.new`)} --dry-run=client -o yaml | kubectl apply${space} -f -`,
      ]
      return [exportTo(context, missing.ref.sha256, file), replace.join(' && ')]
    },
    risk: `${confirmFirst} The Secret is replaced whole: other keys in it have to be named with --from-file too. A volume mounted with subPath never changes while the pod lives; mount the directory.`,
  })
}

/** POST .../keystores/{store}/aliases, multipart `certFile`, `format=keycertfile`: one alias per certificate. */
function edgeRemedy(context: RemedyContext, missing: MissingCertificate, role: 'anchor' | 'intermediate'): Remedy {
  const { edge } = context
  const stem = fileStem(missing.ref.subject)
  const base = edge?.url ?? 'https://api.enterprise.apigee.com'
  const organization = edge?.organization ?? '${EDGE_ORG:?organization}'
  const environment = edge?.environment ?? '${EDGE_ENV:?environment}'
  const url = [
    edge === null ? base : doubleQuotable(base),
    `/v1/o/${edge === null ? organization : doubleQuotable(organization)}`,
    `/e/${edge === null ? environment : doubleQuotable(environment)}`,
    '/keystores/${EDGE_TRUSTSTORE:?trust store of the target}',
    `/aliases?alias=${stem}&format=keycertfile`,
  ].join('')
  return remedy('edge-management-api', {
    action: `On an Edge management API: upload ${quoted(missing.ref.subject)} to the target's trust store as alias ${stem}${role === 'anchor' ? '' : ', beside its root'}.`,
    commands: () => [
      exportTo(context, missing.ref.sha256, `${stem}.pem`),
      `curl -fsS -u "\${EDGE_USER:?user of the management API}" -F certFile=@${shellWord(`${stem}.pem`)} "${url}"`,
    ],
    risk: `${confirmFirst} A store that targets name directly is read again only when the message processors restart (Private Cloud); one named by a reference is switched at once: upload everything to a new store, then point the reference at it.`,
  })
}

export const confirmFirst =
  'Compare the SHA-256 with what the owner of that CA states somewhere else: what came over the network proves nothing.'

/** Inside double quotes; the characters that mean something there are not in any organisation's name. */
function doubleQuotable(text: string): string {
  return onOneLine(text).replaceAll(/[^A-Za-z0-9._~:/@-]/g, (character) =>
    encodeURIComponent(character).replaceAll(/[!'()*]/g, '_'),
  )
}
