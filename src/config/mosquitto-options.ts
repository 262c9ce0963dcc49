/**
 * The names of all options of Mosquitto 2.1, so that a line which is right there but not supported here yet is told
 * apart from a line that is wrong. Those with a row in options.ts are looked up there first.
 */

/** Options whose name goes on with a name of the plugin's own. */
const OPEN_ENDED = ['auth_opt_', 'plugin_opt_'] as const;

const NAMES: ReadonlySet<string> = new Set(
  `
  accept_protocol_versions acl_file allow_anonymous allow_duplicate_messages allow_zero_length_clientid auth_plugin
  auth_plugin_deny_special_chars auto_id_prefix autosave_interval autosave_on_changes bind_address bind_interface
  cafile capath certfile check_retain_source ciphers ciphers_tls1.3 clientid_prefixes connection_messages crlfile
  dhparamfile disable_client_cert_date_checks enable_control_api enable_proxy_protocol global_max_clients
  global_max_connections global_plugin http_dir include_dir keyfile listener listener_allow_anonymous
  listener_auto_id_prefix log_dest log_facility log_timestamp log_timestamp_format log_type max_connections
  max_inflight_bytes max_inflight_messages max_keepalive max_packet_size max_qos max_queued_bytes max_queued_messages
  max_topic_alias max_topic_alias_broker maximum_qos memory_limit message_size_limit mount_point packet_buffer_size
  password_file per_listener_settings persistence persistence_file persistence_location persistent_client_expiration
  pid_file plugin plugin_load plugin_use port protocol proxy_protocol_v2_require_tls psk_file psk_hint
  queue_qos0_messages require_certificate retain_available retain_expiry_interval retained_persistence retry_interval
  set_tcp_nodelay socket_domain sys_interval tls_engine tls_engine_kpass_sha1 tls_keyform tls_version
  upgrade_outgoing_qos use_identity_as_username use_subject_as_username use_username_as_clientid user
  websockets_headers_size websockets_log_level websockets_origin

  address addresses bridge_alpn bridge_attempt_unsubscribe bridge_bind_address bridge_cafile bridge_capath
  bridge_certfile bridge_ciphers bridge_ciphers_tls1.3 bridge_identity bridge_insecure bridge_keyfile
  bridge_max_packet_size bridge_max_topic_alias bridge_outgoing_retain bridge_protocol_version bridge_psk
  bridge_receive_maximum bridge_reload_type bridge_require_ocsp bridge_session_expiry_interval bridge_tcp_keepalive
  bridge_tcp_user_timeout bridge_tls_use_os_certs bridge_tls_version cleansession clientid connection idle_timeout
  keepalive_interval local_cleansession local_clientid local_password local_username notification_topic notifications
  notifications_local_only password remote_clientid remote_password remote_username restart_timeout round_robin
  start_type threshold topic try_private username
  `
    .split(/\s+/)
    .filter((name) => name !== ''),
);

export const MOSQUITTO_OPTION_NAMES: readonly string[] = Object.freeze([...NAMES]);

/** True when Mosquitto 2.1 has an option of this name. */
export function isMosquittoOption(name: string): boolean {
  return NAMES.has(name) || OPEN_ENDED.some((prefix) => name.startsWith(prefix) && name.length > prefix.length);
}
