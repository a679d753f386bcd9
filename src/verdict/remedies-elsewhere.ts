import type { Remedy } from './model.ts'
import type { EdgeContext, MissingCertificate, RemedyContext, StoreSource } from './remedy-context.ts'
import { exportTo, quoted, remedy } from './remedy-parts.ts'
import { apiCredentials, fileStem, onOneLine, shellWord } from './shell.ts'

/**
 * The same certificate, put where a mounted Secret or an Edge management API hands it out. Not for a store of roots that come
 * with the system or the runtime: nobody mounts those.
 */
export function elsewhereRemedies(
  context: RemedyContext,
  missing: MissingCertificate,
  role: 'anchor' | 'intermediate',
): readonly Remedy[] {
  const mounted = context.stores.flatMap(({ sources }) => sources).find(isMounted)
  if (mounted === undefined) return []
  return [
    ...(role === 'anchor' ? [kubernetesRemedy(context, missing, mounted)] : []),
    edgeRemedy(context, missing, role),
  ]
}

function isMounted({ kind, path }: StoreSource): boolean {
  return path !== null && (kind === 'file' || kind === 'directory' || kind === 'env')
}

/**
 * The Secret of the self-hosted gateway's recipe. A mounted directory gets a key more, and keeps the others. A bundle is read
 * first and replaced: one of one certificate would cut every other backend off.
 */
function kubernetesRemedy(context: RemedyContext, missing: MissingCertificate, mounted: StoreSource): Remedy {
  const { kubernetes } = context
  const file = `${fileStem(missing.ref.subject)}.pem`
  // Throws for what a command cannot show, and so only where there is one.
  const secret = (): string =>
    kubernetes === null ? '"${SECRET:?name of the Secret that is mounted}"' : shellWord(kubernetes.secret)
  const space = (): string => (kubernetes?.namespace == null ? '' : ` -n ${shellWord(kubernetes.namespace)}`)
  const subject = quoted(missing.ref.subject)
  if (mounted.kind === 'directory' && kubernetes === null) {
    return remedy('kubernetes-secret', {
      action: `On Kubernetes: add ${subject} to the Secret that is mounted at ${onOneLine(mounted.path ?? '')}.`,
      commands: () => [
        exportTo(context, missing.ref.sha256, file),
        // one command: an empty value would be taken for a certificate
        `test -s ${file} && kubectl patch secret${space()} ${secret()} --type merge -p "{\\"data\\":{\\"${file}\\":\\"$(base64 < ${file} | tr -d '\\n')\\"}}"`,
      ],
      risk: subPath,
    })
  }
  const name = mounted.path?.split('/').at(-1) ?? ''
  const key = kubernetes?.key ?? (/^[A-Za-z0-9._-]+$/.test(name) ? name : 'ca.crt')
  return remedy('kubernetes-secret', {
    action: `On Kubernetes: add ${subject} to the key ${key} of the Secret that is mounted.`,
    commands: () => {
      const bundle = shellWord(`${key}.new`)
      // one command: had the first part failed or the key been another, the rest would cut every other backend off
      const replace = [
        `kubectl get secret${space()} ${secret()} -o ${shellWord(`go-template={{index .data "${key}" | base64decode}}`)} > ${bundle}`,
        `test -s ${bundle}`,
        `printf '\\n' | cat - ${shellWord(file)} >> ${bundle}`,
        `kubectl create secret generic${space()} ${secret()} --from-file=${shellWord(`${key}=${key}.new`)} --dry-run=client -o yaml | kubectl apply${space()} -f -`,
      ]
      return [exportTo(context, missing.ref.sha256, file), replace.join(' && ')]
    },
    risk: `The Secret is replaced whole: name its other keys with --from-file too. ${subPath}`,
  })
}

const subPath = 'A volume mounted with subPath never changes while the pod lives.'

/** POST .../keystores/{store}/aliases, multipart `certFile`, `format=keycertfile`: one alias per certificate. */
function edgeRemedy(context: RemedyContext, missing: MissingCertificate, role: 'anchor' | 'intermediate'): Remedy {
  const stem = fileStem(missing.ref.subject)
  return remedy('edge-management-api', {
    action: `On an Edge management API: upload ${quoted(missing.ref.subject)} to the target's trust store${role === 'anchor' ? '' : ', beside its root'}.`,
    commands: () => [exportTo(context, missing.ref.sha256, `${stem}.pem`), upload(context.edge, `${stem}.pem`, stem)],
    risk: 'A store that targets name directly is read again only when the message processors restart (Private Cloud).',
  })
}

/** Of a target that is made of stored objects: what to upload, with the command that does it. `file`: once somebody has it. */
export function storedRemedy(
  context: RemedyContext,
  what: { readonly missing: MissingCertificate } | { readonly file: string },
  action: (store: string) => string,
  risk: string,
): Remedy | null {
  const { edge } = context
  const store = edge?.stored?.trustStore ?? null
  if (edge === null || edge.stored === undefined) return null
  if (store === null) {
    return remedy('edge-management-api', {
      action: `${action('a trust store')} Its SSLInfo names no TrustStore, so the roots of the system decide: name one there.`,
      risk,
    })
  }
  return remedy('edge-management-api', {
    action: action(
      `trust store ${onOneLine(store)} of ${onOneLine(edge.organization)}/${onOneLine(edge.environment)}${byReference(edge.stored.written)}`,
    ),
    commands: () => {
      if ('file' in what) return [upload(edge, what.file, what.file.replace(/\.pem$/, ''))]
      const { missing } = what
      const stem = fileStem(missing.ref.subject)
      // A name of its own: the store may hold another certificate of that name, such as the root before it.
      const alias = `${stem}-${missing.ref.sha256.slice(0, 8).toLowerCase()}`
      return [
        missing.stored === undefined
          ? exportTo(context, missing.ref.sha256, `${stem}.pem`)
          : download(edge, missing.stored, `${stem}.pem`),
        upload(edge, `${stem}.pem`, alias),
      ]
    },
    risk,
  })
}

function byReference(written = ''): string {
  return written.startsWith('ref://') ? ` (where ${onOneLine(written)} leads)` : ''
}

function upload(edge: EdgeContext | null, file: string, alias: string): string {
  const store = edge?.stored?.trustStore ?? null
  const url = [
    placeOf(edge),
    `/keystores/${store === null ? '${EDGE_TRUSTSTORE:?trust store of the target}' : doubleQuotable(store)}`,
    `/aliases?alias=${alias}&format=keycertfile`,
  ].join('')
  return `curl --fail-with-body -sS -u ${apiCredentials} -F certFile=@${shellWord(file)} "${url}"`
}

/** GET .../aliases/{alias}/certificate */
function download(edge: EdgeContext, stored: { readonly store: string; readonly alias: string }, file: string): string {
  const [organization = '', environment = '', store = ''] = stored.store.split('/')
  const place = placeOf({ url: edge.url, organization, environment })
  const url = `${place}/keystores/${doubleQuotable(store)}/aliases/${doubleQuotable(stored.alias)}/certificate`
  // -f: the reason of a refusal must not be taken for the certificate.
  return `curl -fsS -u ${apiCredentials} "${url}" > ${shellWord(file)}`
}

function placeOf(edge: EdgeContext | null): string {
  if (edge === null) {
    return 'https://api.enterprise.apigee.com/v1/o/${EDGE_ORG:?organization}/e/${EDGE_ENV:?environment}'
  }
  const { url, organization, environment } = edge
  return `${doubleQuotable(url)}/v1/o/${doubleQuotable(organization)}/e/${doubleQuotable(environment)}`
}

/** Inside double quotes; the characters that mean something there are not in any organisation's name. */
function doubleQuotable(text: string): string {
  return onOneLine(text).replaceAll(/[^A-Za-z0-9._~:/@-]/g, (character) =>
    encodeURIComponent(character).replaceAll(/[!'()*]/g, '_'),
  )
}
