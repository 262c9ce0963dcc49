/** The PROXY protocol in front of whoever accepts links. */
import type { Accept } from '../../base/link.ts';
import { ProxiedLink, type ProxyOptions } from './proxied-link.ts';

/**
 * An Accept for the links of a listener with `enable_proxy_protocol`. `accept` is told of a link once its header was read,
 * with the address and the TLS that the header names. Whoever connects without a header is closed: so a listener must
 * be reachable for its proxies only, because it believes what they say.
 */
export function acceptProxied(accept: Accept, options: ProxyOptions): Accept {
  return (link) => new ProxiedLink(link, accept, options);
}
