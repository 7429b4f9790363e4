/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's one header for programs. */
#pragma once

#include "berth-admin.h"
#include "berth-attachment.h"
#include "berth-client.h"
#include "berth-error.h"
#include "berth-program.h"
#include "berth-result.h"
#include "berth-spec.h"
