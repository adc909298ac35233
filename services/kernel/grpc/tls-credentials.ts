import { ServerCredentials } from '@grpc/grpc-js'
import { contextOf, handshakeOf, type TlsMaterial } from '../tls.ts'

/** Credentials of a grpc-js server whose certificate can be renewed; connections that are open go on under the old one. */
export class TlsCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    super(handshakeOf(material), contextOf(material))
  }

  renew(material: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(material))
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}
