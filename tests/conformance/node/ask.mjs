// What the tests have AWS's JavaScript clients do: one JSON object on standard input, one on standard output.
//
//   {"do": "call", "endpoint": URL or null, "region": R, "command": "CreateKeyCommand", "input": {...}, "client": {...}}
//   {"do": "decrypt_anywhere", "regions": {R: URL}, "ciphertext": BASE64}     the first Region that answers
//   {"do": "seal", "keys": [ARN], "plaintext": TEXT}                          AWS Encryption SDK, MRK-aware keyrings
//   {"do": "open", "keys": [ARN], "message": BASE64}                          likewise; or "discovery": [R, ...]
// The Encryption SDK wants the client with a method for each operation.
import * as kms from '@aws-sdk/client-kms'
import {
  AwsKmsMrkAwareSymmetricDiscoveryKeyringNode,
  AwsKmsMrkAwareSymmetricKeyringNode,
  CommitmentPolicy,
  MultiKeyringNode,
  buildClient,
} from '@aws-crypto/client-node'

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)

const clientOf = (region, endpoint = undefined, more = {}) =>
  new kms.KMS({ region, maxAttempts: 1, ...(endpoint && { endpoint }), ...more })

const readable = (name, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('base64') : value)

async function call({ endpoint, region, command, input, client }) {
  const answer = await clientOf(region, endpoint, client).send(new kms[command](input))
  for (const [name, value] of Object.entries(answer)) {
    if (value instanceof Uint8Array) answer[name] = Buffer.from(value).toString('base64')
  }
  return answer
}

async function decryptAnywhere({ regions, ciphertext }) {
  const failed = {}
  for (const [region, endpoint] of Object.entries(regions)) {
    try {
      const input = { CiphertextBlob: Buffer.from(ciphertext, 'base64') }
      const { Plaintext } = await clientOf(region, endpoint).send(new kms.DecryptCommand(input))
      return { region, plaintext: Buffer.from(Plaintext).toString(), failed }
    } catch (error) {
      failed[region] = error.code ?? error.name
    }
  }
  return { failed }
}

function keyringOf({ keys = [], discovery = [] }) {
  const strict = keys.map((keyId) => {
    return new AwsKmsMrkAwareSymmetricKeyringNode({ keyId, client: clientOf(keyId.split(':')[3]) })
  })
  const found = discovery.map((region) => {
    const discoveryFilter = { partition: 'aws', accountIDs: ['000000000000'] }
    return new AwsKmsMrkAwareSymmetricDiscoveryKeyringNode({ client: clientOf(region), discoveryFilter })
  })
  const [generator, ...children] = strict
  return new MultiKeyringNode({ generator, children: [...children, ...found] })
}

async function seal(asked) {
  const { result, messageHeader } = await encrypt(keyringOf(asked), asked.plaintext, { encryptionContext: { shop: '7' } })
  return { message: result.toString('base64'), data_keys: messageHeader.encryptedDataKeys.map((key) => key.providerInfo) }
}

async function open(asked) {
  const { plaintext, messageHeader } = await decrypt(keyringOf(asked), Buffer.from(asked.message, 'base64'))
  return { plaintext: plaintext.toString(), shop: messageHeader.encryptionContext.shop }
}

const actions = { call, decrypt_anywhere: decryptAnywhere, seal, open }
const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const asked = JSON.parse(Buffer.concat(chunks).toString())
try {
  console.log(JSON.stringify(await actions[asked.do](asked), readable))
} catch (error) {
  const { name, code, message, $metadata: metadata } = error
  console.log(JSON.stringify({ error: { name, code, message, metadata } }))
}
