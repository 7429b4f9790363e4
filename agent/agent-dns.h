/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers one question of DNS (RFC 1035). Whose name has an address is the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BERTH_AGENT_DNS_MAX 512u      /* bytes of an answer, and more than any of these has */
#define BERTH_AGENT_DNS_NAME_MAX 253u /* characters of a name, without the dot at its end */

/* @name: in lower case, without a dot at its end. @out_address: in the order of this machine. */
typedef bool (*BerthAgentDnsLookup) (void *data, const char *name, uint32_t *out_address);

/* Bytes of the answer; 0: nothing that deserves one. Any bytes may be given. */
size_t berth_agent_dns_answer (const uint8_t *query, size_t size, uint8_t out[BERTH_AGENT_DNS_MAX],
                               BerthAgentDnsLookup lookup, void *data);
