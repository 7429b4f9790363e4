/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connector, a server on the loopback, and what is asked of the one. */
#pragma once

#include "plugin/connector/berth-connector.h"

typedef struct
{
  BerthConnector *connector;
  GPtrArray *denied;
  GPtrArray *private;
  const char *proxy;
  int listener;
  guint16 port;
} Fixture;

typedef struct
{
  gboolean is_told;
  gboolean ok;
  BerthConnectorVerdict verdict;
  int fd;
  char *address;
  char *text;
  GError *error;
} Answer;

void answer_free (Answer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Answer, answer_free)

/* This process gets a network namespace of its own; FALSE: it may not, and has said so. */
gboolean connector_fixture_begin (void);

void fixture_set_up (Fixture *fixture, gconstpointer data);
void fixture_tear_down (Fixture *fixture, gconstpointer data);
/* What is connected to from now on: networks with spaces between */
void fixture_configure (Fixture *self, const char *private, const char *deny);
void fixture_dial (Fixture *self, const BerthConnectorAsker *asker, const char *name, guint16 port,
                   Answer *answer);
Answer *ask_as (Fixture *fixture, guint32 sandbox, guint32 uid, const char *name, guint16 port);
Answer *ask (Fixture *fixture, const char *name, guint16 port);
/* To the fixture's server */
void assert_connected (Fixture *fixture, Answer *answer);
