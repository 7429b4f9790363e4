/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's first process; or, with --socket, the same agent for tests on a host. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent-boot.h"
#include "agent.h"

#ifndef BERTH_VERSION
#  define BERTH_VERSION "0"
#endif

static const char usage[]
    = "usage: berth-agent --socket PATH --home DIR --runners DIR [--language NAME] [--cgroup DIR]\n"
      "Without options it is the first process of a guest and nothing else.\n"
      "\n"
      "  --socket PATH    listen here, one host at a time\n"
      "  --home DIR       where programs start; absolute\n"
      "  --runners DIR    agent/runners of the source; absolute\n"
      "  --language NAME  whose interpreter stands by: " BERTH_LANGUAGE_WORDS "\n"
      "  --cgroup DIR     a writable folder of cgroup2 for the programs\n";

typedef struct
{
  const char *socket, *cgroup;
  BerthAgentConfig config;
} Options;

static bool
parse_options (Options *options, int argc, char **argv)
{
  static const struct option long_options[] = {
    { "socket", required_argument, NULL, 's' },  { "home", required_argument, NULL, 'h' },
    { "runners", required_argument, NULL, 'r' }, { "language", required_argument, NULL, 'l' },
    { "cgroup", required_argument, NULL, 'c' },  { NULL, 0, NULL, 0 },
  };
  int option;

  while ((option = getopt_long (argc, argv, "", long_options, NULL)) != -1)
    switch (option)
      {
      case 's':
        options->socket = optarg;
        break;
      case 'h':
        options->config.home = optarg;
        break;
      case 'r':
        options->config.runners = optarg;
        break;
      case 'l':
        options->config.language = berth_agent_language_parse (optarg);
        break;
      case 'c':
        options->cgroup = optarg;
        break;
      default:
        return false;
      }
  return optind == argc && options->socket != NULL && options->config.home != NULL
         && options->config.runners != NULL;
}

static int
run_on_host (BerthAgent *agent, int argc, char **argv)
{
  Options options = { 0 };

  if (!parse_options (&options, argc, argv))
    {
      fputs (usage, stderr);
      return 2;
    }
  options.config.streams = options.config.runners;
  options.config.identities = 1; /* a host has its own */
  options.config.sockets = (BerthAgentReachSockets){ -1, -1, -1, -1 };
  /* orphans of programs come to us, as they do to the first process of a guest */
  if (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 || !berth_agent_init (agent, &options.config)
      || (options.cgroup != NULL && !berth_agent_groups_open (&agent->groups, options.cgroup))
      || !berth_agent_channel_listen (&agent->channel, options.socket))
    {
      fprintf (stderr, "berth-agent: %s\n", strerror (errno));
      return 1;
    }
  berth_agent_run (agent);
  berth_agent_clear (agent);
  unlink (options.socket);
  return 0;
}

static void
run_in_guest (BerthAgent *agent)
{
  BerthAgentBootOptions options;
  BerthAgentConfig config = { .is_init = true,
                              .home = BERTH_AGENT_HOME,
                              .spare = "/run/code",
                              .runners = "/run/berth",
                              .streams = "/run/streams" };
  int port = berth_agent_boot (&options);

  config.root_fd = options.root_fd;
  config.sockets = options.sockets;
  config.language = options.language;
  config.is_builder = options.is_builder;
  config.uid = options.uid;
  config.gid = options.gid;
  if (!berth_agent_init (agent, &config)
      || !berth_agent_groups_open (&agent->groups, BERTH_AGENT_CGROUP)
      || !berth_agent_channel_open_port (&agent->channel, port))
    berth_agent_boot_fail ("the agent can't start");
  berth_agent_pressure_watch (&agent->pressure, &agent->loop, &agent->groups);
  berth_agent_run (agent);
  berth_agent_power_off ();
}

int
main (int argc, char **argv)
{
  BerthAgent *agent;
  int status;

  if (argc == 2 && strcmp (argv[1], "--hold") == 0)
    return berth_agent_holder_main ();
  agent = calloc (1, sizeof *agent);
  if (agent == NULL)
    return 1;
  if (getpid () == 1)
    run_in_guest (agent);
  status = run_on_host (agent, argc, argv);
  free (agent);
  return status;
}
