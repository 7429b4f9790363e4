/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table for programs and files: an error of the agent says the same whatever was asked for. */
#include "berth-guest-error.h"

#include "berth-protocol.h"

BerthError
berth_guest_error_get_code (const BerthFrame *frame)
{
  switch (berth_le32_read (frame->payload))
    {
    case BERTH_AGENT_ERROR_INVALID:
    case BERTH_AGENT_ERROR_LANGUAGE:
      return BERTH_ERROR_INVALID;
    case BERTH_AGENT_ERROR_BUSY:
    case BERTH_AGENT_ERROR_RESOURCE:
    case BERTH_AGENT_ERROR_DAMAGED:
      return BERTH_ERROR_UNAVAILABLE;
    default:
      return BERTH_ERROR_INTERNAL;
    }
}

char *
berth_guest_error_dup_text (const BerthFrame *frame)
{
  return g_utf8_make_valid ((const char *)frame->payload + 4, (gssize)frame->length - 4);
}
