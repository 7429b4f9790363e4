/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wire protocol between the host and the agent in the guest: everything both sides must agree
 * on, and nothing that either could decide alone. libc only; the agent and the host include it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "berth-holes.h"
#include "berth-language.h"

/* A frame is a head of 12 bytes (type, request, length: little-endian u32 each) and `length` bytes
 * of payload. Numbers in payloads are little-endian, structs below are packed by their offsets.
 * Streams are raw bytes; nothing is ever encoded as text.
 *
 * Life of a connection. The host opens the channel and sends HELLO with a random nonce; the reply
 * carries the request id of the HELLO. Either side may find half a frame of an earlier connection
 * in front of it, so each discards bytes until the HELLO that it waits for (the agent: a whole head
 * of HELLO and the magic; the host: magic and its own nonce). From then on every byte belongs to a
 * frame, and a frame that breaks a rule ends the conversation: the host destroys the VM, the agent
 * answers ERROR with request 0 and waits for the next HELLO.
 * The agent is told when a host goes away, but not if the next is there before the guest's CPU ran
 * again, and half a frame of the first would then swallow the HELLO of the second. A host that does
 * not know how the last connection ended therefore sends BERTH_PROTOCOL_PADDING zero bytes first,
 * which end any frame and begin none (an ERROR in front of the HELLO_REPLY may be the answer).
 *
 * Versions. What the older of two sides would not understand makes a new version. Both then speak
 * the newest that both know, which the HELLO_REPLY says; an agent that has none in common with the
 * host says its own there, and waits for the next HELLO. A host sends nothing of a version that is
 * newer than the agent's: images are older than berthd from its upgrade until they are built again.
 *   3: BERTH_EXEC_MODULE, BERTH_EXEC_COMMONJS, the folder of an EXEC, an IDENTITY for the clock
 *   4: what an entry of LS takes, BERTH_PUT_HOLES
 *   5: BERTH_EXEC_COMMAND
 *   6: BERTH_EXEC_DETACHED, BERTH_FRAME_EXECS, ATTACH, SIGNAL; BERTH_EXEC_TERMINAL, RESIZE
 *   7: BERTH_FRAME_LINK_OPEN, LINK_OPENED, LINK_END, BERTH_STREAM_LINK; FREEZE, THAW, FROZEN;
 *      ALLOW
 *   8: BERTH_EXEC_TERMINAL with BERTH_EXEC_DETACHED, BERTH_ATTACH_TERMINAL; BerthExecsMore;
 *      ports and addresses of IPv6 in ALLOW; NO_PORT
 *   9: what ALLOW refuses; PLUG; how much is kept of what runs in the background
 *  10: BERTH_HELLO_COPY
 *
 * Sessions. An EXEC with BERTH_EXEC_SESSION is run by the one interpreter that lives for this in
 * the guest for its language, in its global namespace; where there is none, it begins to live. It
 * ends with the exec if that is ended by a process exit, a signal, the time limit, KILL or the
 * kernel; the next exec has a fresh one. Without the flag the code is a script of its own, as ever.
 *
 * Runs. An EXEC with BERTH_EXEC_ONCE is a script of its own, too. Its end is told when what a
 * script does at its end is done (threads joined, exit handlers called, objects of its own let go,
 * output written), and not when the interpreter has taken itself apart, which takes longer than all
 * the rest.
 *
 * Commands. An EXEC with BERTH_EXEC_COMMAND is no code: CODE carries a program and its arguments,
 * a NUL behind each, and it is executed as it stands, beside whatever runs, BERTH_COMMANDS_MAX of
 * them at a time. A name without a slash is looked for in the exec's PATH. One that is not there
 * ends with 127, one that can't be run with 126, and a line on its stderr that says so. When its
 * first process has ended, its others are ended. It has nothing to do with the interpreters: one
 * that ends is nothing to it, and it is nothing to them.
 *
 * Background. An EXEC with BERTH_EXEC_DETACHED belongs to no connection: once it runs it is
 * answered by BEGUN with its number, which no other exec of this guest gets, and that is the
 * request's end. With BERTH_EXEC_STDIN its standard input stays open for who attaches; a time limit
 * of 0 is none. What it writes is kept in the guest, up to so many MiB of the newest as its
 * stdout_credit says, for it needs no credit: BERTH_LOG_MB of them before version 9; its end is
 * kept, too, that of the last BERTH_ENDED_MAX. EXECS lists them, in DATA on FILE that needs no
 * credit. ATTACH replays what is kept of one as an exec's DATA, under credit, and ends with EXIT
 * where the exec has ended, else, unless it is to follow, with DETACHED, for that goes on. LOST
 * comes before either, once, if something fell out before it could be sent. A KILL of these
 * requests ends them alone, with DETACHED. SIGNAL is answered by DETACHED.
 *
 * Terminals. A command with BERTH_EXEC_TERMINAL leads a session of its own, whose terminal it is
 * given: DATA on stdin is what is typed there, DATA on stdout what it shows, and there is no
 * stderr. RESIZE says how large it is: with the first in front of CODE it begins with that, else
 * with 80 columns and 24 rows. The end of stdin is typed, too (Ctrl-D). KILL, and the time limit,
 * begin with SIGHUP beside SIGTERM, which a shell does not heed that somebody types at.
 * One in the background, with BERTH_EXEC_STDIN, too, goes on without anybody. Who ATTACHes with
 * BERTH_ATTACH_TERMINAL types at it and says by RESIZE how large it is; what is shown again of what
 * was shown to such a one before comes without the questions that a terminal would answer to the
 * program, and needs more than BERTH_REPLAY_HELD (berth-replay.h) bytes of credit. While nobody
 * types at it, it is one row lower than it was: whoever comes next brings another size, which is
 * what programs draw all of their screen for.
 *
 * Rehearsals. An EXEC with BERTH_EXEC_REHEARSAL is the host's own no-op, before the first IDENTITY,
 * in the interpreter that the next EXEC gets: what an emulator translates at the first time, and
 * pages that are copied when they are first written, are there then. It leaves no trace in the
 * interpreter.
 *
 * What runs when a connection ends. Its output waits in its pipes, its time limit goes on. A HELLO
 * with BERTH_HELLO_RESET ends it, what earlier execs left in the background, and the interpreters
 * of sessions; the HELLO_REPLY comes when all of that is gone, after 2 s at the latest. Without the
 * flag the exec runs on, but its request belongs to the connection that is gone: the rest of its
 * output is discarded, its end is not told, and a new EXEC is BUSY until then.
 *
 * Identity. IDENTITY comes before any code of a tenant, in cold boots, too. Until then the guest's
 * random numbers are no secret, and its clock shows the year 2000, which is what makes libraries
 * seed their generators again once it is set (see agent-identity.c). The host's own no-op may run
 * before. One without a hostname comes behind it, after a pause, and sets the clock alone: to the
 * guest's programs nothing else has changed.
 *
 * Requests. The host picks ids (> 0, never used twice on a connection). At most one EXEC of code
 * lives at a time; commands, files, PING and KILL may come beside it. Every request ends with
 * exactly one EXIT, DONE or ERROR, after all of its DATA. A frame for an id that is not alive is
 * ignored by the agent. KILL may come before STARTED; then EXIT with BERTH_EXIT_KILLED does without
 * it. After a KILL or the time limit EXIT comes when no process of the exec is left; after a normal
 * end, processes that code left behind run on, unheard.
 *
 * Credits. DATA on stdin, stdout, stderr and file streams spends credit, counted in payload bytes
 * (the 4 bytes of the stream number not included). The first credit is part of the request, more
 * comes in CREDIT frames; for stdin all of it does, from STARTED on, and an empty DATA needs none.
 * Who sends without credit breaks a rule. A sender without credit stops
 * reading its source, so a slow reader slows the program and nothing else.
 *
 * Files. PUT, GET and LS may run beside an exec and beside each other, BERTH_FILES_MAX at a time.
 * Paths follow berth-path.h. For PUT the agent gives credit, the host sends the file as DATA on
 * FILE and then DONE with size and XXH64 of what it sent; the file gets its name only if both are
 * those of what arrived, and the agent's DONE says that it has. Of a file with holes (see
 * BerthHole) the DATA is what is in none of them, and so are size and sum of DONE. For GET and LS
 * the host gives credit, and the agent's DONE comes after the DATA. KILL withdraws one: its end is
 * then DONE, if it was done before, or ERROR. All of a connection's end with it and leave nothing
 * behind.
 *
 * Links. A link carries the bytes of one TCP connection, both ways. The host opens one to a port of
 * the guest's loopback (127.0.0.1, else ::1), the agent opens one, for a program of the guest, to a
 * name and port outside: LINK_OPEN, answered by LINK_OPENED when it is connected, or by LINK_END.
 * The host's ids are those of its requests; the agent's have BERTH_LINK_OF_AGENT set, rise, and are
 * never used twice on a connection. At most BERTH_LINKS_MAX of each kind live at a time.
 * DATA on BERTH_STREAM_LINK goes both ways, each way under credit: the first is in LINK_OPEN and
 * LINK_OPENED, for the side that gets the frame to spend, and CREDIT brings more. An empty DATA
 * needs no credit and ends its direction; the other one goes on. After it no CREDIT is sent for it.
 * The agent's last frame of a link is LINK_END, always and once: BERTH_LINK_DONE when both
 * directions have ended and what came is delivered, else why it broke. The host that wants no more
 * of a link sends LINK_END, once, sends nothing for it from then on, and keeps its id, ignoring
 * what comes for it, until the agent's LINK_END has come, too. A link that ends otherwise than
 * with BERTH_LINK_DONE resets its connection in the guest. All links of a conversation end with it.
 *
 * Freezing. FREEZE stops all programs of the guest at once, for its memory to be copied; FROZEN is
 * the answer when none runs, and the last that the agent sends by itself: with it no byte is on its
 * way in either direction, for the host sends nothing behind FREEZE before it. What can't be
 * stopped within 2 s goes on, and the answer is ERROR; while files are transferred, BUSY. A frozen
 * guest answers IDENTITY and PING; what is asked for else is BUSY. It stays so, whatever becomes of
 * the connection, and says so in its HELLO_REPLY, until THAW, which brings the time and is answered
 * by FROZEN, too, or a HELLO with BERTH_HELLO_RESET. A copy of it is as frozen, and its programs go
 * on when it has its IDENTITY. The host greets it with BERTH_HELLO_COPY: code and commands that ran
 * for the caller of the VM that it is a copy of go on as if they had begun with
 * BERTH_EXEC_DETACHED, each under a number of its own. What they write from then on is kept, and
 * standard input that was open is open for who attaches.
 *
 * Reach. Programs reach nothing outside until ALLOW names what they may: rules with a NUL behind
 * each, a name in lower case, "*.NAME" for all below it, "*" for all, or an address; behind a space
 * its ports, with commas between, without which all are meant; answered by ALLOWED once it holds,
 * or ERROR; with a "!" before it, since version 9, one is refused although others allow it. From
 * then on the agent answers questions of DNS, allowed names with addresses of 198.18.0.0/15, others
 * with "no such name", and opens a link for each connection to such an address at such a port;
 * others are refused. The host decides again. NO_NAME tells it of names that programs asked for in
 * vain, NO_PORT of what they wanted to connect to, of some a second. A second ALLOW replaces the
 * rules. They outlive the conversation.
 *
 * A network card. PLUG, once, tells of one that the host plugs in; the agent waits for it, asks its
 * network for an address by DHCP, and answers PLUGGED when programs can use it, or ERROR after a
 * while. Which network that is, the host decides. There is no ALLOW with it. */

#define BERTH_PROTOCOL_VERSION 10u
#define BERTH_PROTOCOL_OLDEST 2u                /* that either side still speaks */
#define BERTH_PROTOCOL_PORT "org.berth.agent.0" /* the virtio port's name */
#define BERTH_PROTOCOL_MAGIC "berth-1\xff"      /* 8 bytes, no NUL counted */
#define BERTH_PROTOCOL_MAGIC_SIZE 8u
#define BERTH_PROTOCOL_NONCE_SIZE 16u

#define BERTH_FRAME_HEAD_SIZE 12u
#define BERTH_FRAME_MAX_PAYLOAD (64u * 1024u)
#define BERTH_PROTOCOL_PADDING (BERTH_FRAME_HEAD_SIZE + BERTH_FRAME_MAX_PAYLOAD)
#define BERTH_DATA_MAX (BERTH_FRAME_MAX_PAYLOAD - 4u)

/* Limits of a request (contract.md, Input); both sides enforce them. */
#define BERTH_CODE_MAX (1024u * 1024u)
/* Of a command's arguments, its program with them, and of their bytes, with the NUL behind each:
 * Linux takes no longer one. */
#define BERTH_ARGS_MAX 4096u
#define BERTH_ARGS_BYTES_MAX (128u * 1024u)
#define BERTH_COMMANDS_MAX 16u /* under way */
#define BERTH_COMMAND_VERSION 5u
#define BERTH_BACKGROUND_VERSION 6u
#define BERTH_LOG_MB 1u      /* kept of a background exec's output, heads included */
#define BERTH_LOG_MAX_MB 16u /* the same, where more is asked for */
#define BERTH_LOG_VERSION 9u
#define BERTH_ENDED_MAX 16u /* background execs that have ended and are known yet */
#define BERTH_BACKGROUND_MAX (1u + BERTH_COMMANDS_MAX + BERTH_ENDED_MAX)
#define BERTH_ATTACH_MAX 48u /* requests about background execs under way */
#define BERTH_WORDS_MAX 200u /* bytes that tell what a background exec runs */
#define BERTH_SIGNAL_MAX 64u
#define BERTH_TERMINAL_VERSION 6u
#define BERTH_TERMINAL_SIDE_MAX 65535u /* rows, and columns: the kernel keeps 16 bits of each */
#define BERTH_REATTACH_VERSION 8u      /* terminals in the background */
#define BERTH_EXECS_MORE_VERSION 8u    /* whose lists have BerthExecsMore */
#define BERTH_FREEZE_VERSION 7u
#define BERTH_COPY_VERSION 10u /* a copy goes on with what ran for a caller */
#define BERTH_LINK_VERSION 7u
#define BERTH_LINKS_MAX 256u                 /* that live at a time, of each side's */
#define BERTH_LINK_OF_AGENT 0x80000000u      /* in the id of a link that the agent opens */
#define BERTH_LINK_NAME_MAX 255u             /* bytes of the name that such a one is opened to */
#define BERTH_LINK_CREDIT_MAX (256u * 1024u) /* outstanding, of each direction of a link */
/* What the host sends at once. The agent hands it to a program by the loopback's TCP, whose
 * segments have 64 KiB with their heads: of two the second wakes the program for some bytes, and
 * that is half of its speed. */
#define BERTH_LINK_PIECE (60u * 1024u)
#define BERTH_LINK_TIMEOUT_MS 10000u /* the agent's, for a connection of the host's */
#define BERTH_ALLOW_VERSION 7u
#define BERTH_ALLOW_PORTS_VERSION 8u
#define BERTH_ALLOW_DENIED_VERSION 9u
#define BERTH_PLUG_VERSION 9u
#define BERTH_ALLOW_MAX (32u * 1024u) /* bytes of all rules */
#define BERTH_ENV_MAX 100u
#define BERTH_ENV_NAME_MAX 256u
#define BERTH_ENV_VALUE_MAX 4096u
#define BERTH_ENV_BYTES_MAX (BERTH_ENV_MAX * (BERTH_ENV_NAME_MAX + 1u + BERTH_ENV_VALUE_MAX + 1u))
#define BERTH_TIMEOUT_MIN_MS 1000u
#define BERTH_TIMEOUT_MAX_MS (86400u * 1000u)
#define BERTH_KILL_GRACE_MS 2000u             /* SIGTERM, then SIGKILL */
#define BERTH_CREDIT_MAX (4u * 1024u * 1024u) /* outstanding credit of one stream */
#define BERTH_TEXT_MAX 512u                   /* bytes of a text in ERROR */

#define BERTH_FILES_MAX 4u   /* PUT, GET and LS under way */
#define BERTH_PATH_MAX 4096u /* bytes of a path, without a NUL */
#define BERTH_NAME_MAX 255u  /* bytes of one component */
#define BERTH_LS_MAX 1000u   /* entries in one answer; the next is asked for by the last name */
#define BERTH_LS_ALLOCATED_VERSION 4u /* whose entries tell what they take */
#define BERTH_PUT_HOLES_VERSION 4u

typedef enum
{
  /* host to agent */
  BERTH_FRAME_HELLO = 1,    /* BerthHello */
  BERTH_FRAME_IDENTITY = 2, /* BerthIdentity; answered by IDENTITY_DONE. Who is this clone? */
  /* BerthExecHead, the folder to start in; then DATA on CODE and ENV; answered by STARTED, EXIT */
  BERTH_FRAME_EXEC = 3,
  BERTH_FRAME_KILL = 4, /* u32 grace_ms: SIGTERM to all of the exec, SIGKILL after the grace */
  BERTH_FRAME_PING = 5, /* u64 cookie; answered by PONG with the same */
  /* BerthPutHead, holes, path; answered by CREDIT, and by DONE after the host's */
  BERTH_FRAME_PUT = 6,
  BERTH_FRAME_GET = 7,     /* BerthGetHead, path; answered by DATA on FILE, DONE */
  BERTH_FRAME_LS = 8,      /* BerthLsHead, path, name; answered by DATA on FILE, DONE */
  BERTH_FRAME_EXECS = 64,  /* empty; answered by DATA on FILE: BerthExecsEntry, DETACHED */
  BERTH_FRAME_ATTACH = 65, /* BerthAttachHead; answered by DATA, LOST, EXIT or DETACHED */
  BERTH_FRAME_SIGNAL
  = 66, /* u32 exec, u32 signal: to all of it; 0: as KILL; answered by DETACHED */
  BERTH_FRAME_RESIZE = 80,  /* u32 rows, u32 columns: of the terminal, from 1 on */
  BERTH_FRAME_FREEZE = 112, /* empty; answered by FROZEN. See Freezing */
  BERTH_FRAME_THAW = 113,   /* u64 realtime_ns: CLOCK_REALTIME of the host; answered by FROZEN */
  /* both ways; see Links */
  BERTH_FRAME_LINK_OPEN = 96,   /* u32 credit, u32 port (1..65535); of the agent: a name, no NUL */
  BERTH_FRAME_LINK_OPENED = 97, /* u32 credit: it is connected */
  BERTH_FRAME_LINK_END = 98,    /* u32 BerthLinkReason */
  BERTH_FRAME_ALLOW = 99,       /* of the host: rules, see Reach */
  BERTH_FRAME_ALLOWED = 100,    /* of the agent: empty */
  BERTH_FRAME_NO_NAME = 101,    /* of the agent: a name that may not be reached; request 0 */
  BERTH_FRAME_NO_PORT = 102,    /* of the agent: u32 port, a name or an address; request 0 */
  BERTH_FRAME_PLUG = 103,       /* of the host: the 6 bytes of a network card's address */
  BERTH_FRAME_PLUGGED
  = 104, /* of the agent: u32, the guest's address by IPv4, 1.2.3.4 is 1020304h */
  /* both ways */
  BERTH_FRAME_DATA = 16,   /* u32 stream, bytes; no bytes: end of this stream */
  BERTH_FRAME_CREDIT = 17, /* u32 stream, u32 bytes */
  BERTH_FRAME_DONE = 18,   /* BerthFileDone */
  /* agent to host */
  BERTH_FRAME_HELLO_REPLY = 32,   /* BerthHelloReply */
  BERTH_FRAME_READY = 33,         /* u64 boot_us: the runner's interpreter is loaded; request 0 */
  BERTH_FRAME_IDENTITY_DONE = 34, /* BerthIdentityDone */
  BERTH_FRAME_STARTED = 35,       /* empty: the code runs now, its time limit counts from here */
  BERTH_FRAME_EXIT = 36,          /* BerthExit */
  BERTH_FRAME_ERROR = 37,         /* u32 code, text in UTF-8 without NUL */
  BERTH_FRAME_PONG = 38,          /* u64 cookie */
  BERTH_FRAME_BEGUN = 72,         /* u32 exec: a detached one runs now */
  BERTH_FRAME_LOST = 73,          /* u64: bytes of output that fell out before they were sent */
  BERTH_FRAME_DETACHED = 74,      /* empty: the request has ended, the exec has not */
  BERTH_FRAME_FROZEN = 114,       /* u32: 1: no program runs; 0: they do again */
} BerthFrameType;

typedef enum
{
  BERTH_STREAM_STDIN = 0,
  BERTH_STREAM_STDOUT = 1,
  BERTH_STREAM_STDERR = 2,
  BERTH_STREAM_CODE = 3, /* exactly code_size bytes; needs no credit, bounded by BERTH_CODE_MAX or
                          * BERTH_ARGS_BYTES_MAX */
  BERTH_STREAM_ENV = 4,  /* exactly env_size bytes of NAME=VALUE NUL ...; needs no credit */
  BERTH_STREAM_FILE = 5, /* a file's bytes; of LS, what BerthLsEntry says for each entry */
  BERTH_STREAM_LINK = 6,
} BerthStream;

/* Why a link ended. A side that is told a reason that it does not know takes it for FAILED. */
typedef enum
{
  BERTH_LINK_DONE = 0,        /* both directions ended, everything is delivered */
  BERTH_LINK_REFUSED = 1,     /* nobody listens at the port */
  BERTH_LINK_UNREACHABLE = 2, /* no way to the address, or no such name */
  BERTH_LINK_DENIED = 3,      /* the policy says no */
  BERTH_LINK_RESET = 4,       /* the connection broke, or its owner has gone */
  BERTH_LINK_TIMED_OUT = 5,   /* no answer in time */
  BERTH_LINK_LIMIT = 6,       /* as many as may be are open */
  BERTH_LINK_FAILED = 7,      /* anything else */
} BerthLinkReason;

typedef enum
{
  BERTH_AGENT_ERROR_PROTOCOL = 1, /* a frame broke a rule; request 0 */
  BERTH_AGENT_ERROR_INVALID = 3,  /* the request itself is wrong */
  BERTH_AGENT_ERROR_BUSY = 4,     /* an exec is running, or as many commands as may be */
  BERTH_AGENT_ERROR_LANGUAGE = 5, /* no interpreter for it in this guest */
  BERTH_AGENT_ERROR_RESOURCE = 6, /* the guest could not just now */
  BERTH_AGENT_ERROR_INTERNAL = 7,
  BERTH_AGENT_ERROR_DAMAGED = 16,   /* what arrived is not what was sent */
  BERTH_AGENT_ERROR_CANCELLED = 17, /* because of KILL */
  BERTH_AGENT_ERROR_FULL = 18, /* space, memory or processes are used up by what is in the guest */
} BerthAgentError;

#define BERTH_HELLO_RESET 1u    /* flags of HELLO: end whatever is running first */
#define BERTH_HELLO_COPY 2u     /* what ran in the source goes on in the background */
#define BERTH_EXEC_STDIN 1u     /* flags of EXEC: DATA on stdin will follow; else end-of-file */
#define BERTH_EXEC_SESSION 2u   /* the interpreter keeps its state for the next such exec */
#define BERTH_EXEC_ONCE 4u      /* the guest goes after it: its end may be told early, see Runs */
#define BERTH_EXEC_REHEARSAL 8u /* with BERTH_EXEC_SESSION: see Rehearsals */
#define BERTH_EXEC_MODULE 16u   /* of JavaScript, no session: an ES module, by its name */
#define BERTH_EXEC_COMMONJS 32u /* the same: none */
#define BERTH_EXEC_COMMAND                                                                         \
  64u /* of no language, with BERTH_EXEC_STDIN at the most: see Commands                           \
       */
#define BERTH_EXEC_DETACHED 128u /* of a session's code, or a command: see Background */
#define BERTH_ATTACH_FOLLOWS 1u  /* flags of ATTACH: until the exec ends */
#define BERTH_ATTACH_STDIN 2u    /* DATA on stdin will follow; one at a time */
#define BERTH_ATTACH_ENDS 4u     /* no output: its end alone is of interest */
#define BERTH_ATTACH_TERMINAL 8u /* with BERTH_ATTACH_STDIN, of a terminal: see Terminals */
#define BERTH_EXEC_TERMINAL 256u /* with BERTH_EXEC_COMMAND: see Terminals */
#define BERTH_EXIT_TIMED_OUT 1u  /* flags of EXIT */
#define BERTH_EXIT_OOM 2u
#define BERTH_EXIT_KILLED 4u   /* ended because of KILL */
#define BERTH_PUT_DIRECTORY 1u /* flags of PUT: a directory, made if there is none; no DATA */
#define BERTH_PUT_HOLES 2u     /* a u32 follows, and so many BerthHole, at most BERTH_HOLES_MAX */
#define BERTH_DONE_MORE 1u     /* flags of DONE: LS has more entries behind these */
#define BERTH_HELLO_READY 1u   /* flags of HELLO_REPLY: the interpreter is loaded already */
#define BERTH_HELLO_IDENTIFIED 2u /* it has had an identity: a tenant's code may have run */
#define BERTH_HELLO_FROZEN 4u     /* see Freezing */

typedef struct __attribute__ ((packed))
{
  uint8_t magic[BERTH_PROTOCOL_MAGIC_SIZE];
  uint32_t version_min;
  uint32_t version_max;
  uint32_t flags;
  uint8_t nonce[BERTH_PROTOCOL_NONCE_SIZE];
} BerthHello;

typedef struct __attribute__ ((packed))
{
  uint8_t magic[BERTH_PROTOCOL_MAGIC_SIZE];
  uint32_t version; /* the one that both speak from here on; else the agent's own, see Versions */
  uint32_t flags;
  uint8_t nonce[BERTH_PROTOCOL_NONCE_SIZE]; /* the host's own, returned */
  uint64_t boot_us;                         /* CLOCK_BOOTTIME when the agent's main loop began */
  uint64_t ready_us;  /* CLOCK_BOOTTIME when the interpreter was loaded, 0 if it is not yet */
  uint32_t languages; /* bit 1 << BerthLanguage for each that can be run here */
} BerthHelloReply;

typedef struct __attribute__ ((packed))
{
  uint64_t realtime_ns; /* CLOCK_REALTIME of the host when this was sent */
  uint8_t seed[64];     /* fresh bytes of the host's generator */
  uint8_t machine_id[16];
  char hostname[64]; /* NUL-terminated, letters, digits and hyphens; none: only the clock */
} BerthIdentity;

/* What a guest's clock shows until its identity comes. An IDENTITY that brings this time is a
 * rehearsal, see berth_agent_identify_async (). */
#define BERTH_HIDDEN_CLOCK_NS (946684800u * 1000000000ull) /* 2000-01-01 */

typedef struct __attribute__ ((packed))
{
  uint8_t random[32];   /* read from the guest's generator after the reseed */
  uint64_t realtime_ns; /* CLOCK_REALTIME of the guest after it was set */
} BerthIdentityDone;

/* The folder to start in follows, without a NUL: absolute, or relative to the home. None: the home,
 * or where the session is; a session stays in the one that is named. */
typedef struct __attribute__ ((packed))
{
  uint32_t language; /* BerthLanguage */
  uint32_t flags;
  uint32_t timeout_ms;
  uint32_t code_size;
  uint32_t env_count;
  uint32_t env_size;
  uint32_t stdout_credit; /* the stdin credit comes from the agent as a CREDIT frame */
  uint32_t stderr_credit; /* of what runs in the background see above */
} BerthExecHead;

typedef struct __attribute__ ((packed))
{
  uint32_t flags;
  int32_t status;  /* exit status 0..255, or -1 when a signal ended it */
  uint32_t signal; /* the signal, or 0 */
  uint64_t wall_us;
  uint64_t cpu_us;     /* user and system time of all of the exec's processes */
  uint64_t peak_bytes; /* of its cgroup where the kernel tells, else 0 */
} BerthExit;

typedef struct __attribute__ ((packed))
{
  uint32_t exec;
  uint32_t flags;
  uint64_t since_us; /* CLOCK_REALTIME of the guest: only what was written from then on; 0: all */
  uint32_t stdout_credit;
  uint32_t stderr_credit;
} BerthAttachHead;

typedef enum
{
  BERTH_EXEC_RUNS = 1,
  BERTH_EXEC_HAS_ENDED = 2,
  BERTH_EXEC_HAS_FAILED = 3, /* it never began, or nobody knows its end */
} BerthExecState;

/* BerthExecsMore and words follow, which tell what it runs: the beginning of its code, or its
 * arguments with a space between. */
typedef struct __attribute__ ((packed))
{
  uint32_t exec;
  uint32_t state;        /* BerthExecState */
  uint32_t flags;        /* of its EXEC */
  uint32_t words_size;   /* BERTH_WORDS_MAX at the most */
  uint64_t begun_us;     /* CLOCK_REALTIME of the guest */
  uint64_t memory_bytes; /* of its processes now; 0 where the kernel does not tell */
  uint64_t kept_bytes;   /* of its output, heads included */
  uint64_t lost_bytes;   /* of its output: fell out */
  BerthExit exit; /* wall_us and cpu_us, of one that runs too; the rest of one that has ended */
} BerthExecsEntry;

/* Between an entry and its words, from version 8 on */
typedef struct __attribute__ ((packed))
{
  uint32_t timeout_ms;  /* of its EXEC; 0: it has no limit */
  uint32_t is_attended; /* of one that runs: its standard input is somebody's now */
} BerthExecsMore;

/* The path follows, without a NUL. */
typedef struct __attribute__ ((packed))
{
  uint64_t size; /* of the file; the guest's space for what is sent of it is looked at before */
  uint32_t mode; /* permission bits, 0777 */
  uint32_t flags;
} BerthPutHead;

typedef struct __attribute__ ((packed))
{
  uint64_t size_max; /* a larger file is refused */
  uint32_t credit;
} BerthGetHead;

/* Path and name follow. A path that is no directory is listed alone. */
typedef struct __attribute__ ((packed))
{
  uint32_t path_size;
  uint32_t count_max; /* 1 to BERTH_LS_MAX; those that come first by the bytes of their names */
  uint32_t credit;
} BerthLsHead; /* the name: only entries behind it; none: from the first */

/* The name follows; behind it, from version 4 on, the bytes that it takes in the guest: u64. */
typedef struct __attribute__ ((packed))
{
  uint64_t size;
  int64_t mtime_ns; /* since 1970 */
  uint32_t mode;    /* as in struct stat */
  uint8_t name_size;
} BerthLsEntry;

typedef struct __attribute__ ((packed))
{
  uint64_t size; /* all of the DATA */
  uint32_t mode; /* as in struct stat: what the path names; the host sends 0 */
  uint32_t flags;
  uint64_t sum; /* of all of the DATA: XXH64, seed 0; against damage, not against forgery */
} BerthFileDone;

typedef struct
{
  uint32_t type;
  uint32_t request;
  uint32_t length;
} BerthFrameHead;

/* Who may send a frame. */
#define BERTH_FRAME_OF_HOST 1u
#define BERTH_FRAME_OF_AGENT 2u

/* The frames, each described once: who sends it, and how many bytes its payload has at the least
 * and at the most. What else may be in one is its reader's business. */
typedef struct
{
  BerthFrameType type;
  unsigned senders;
  uint32_t least;
  uint32_t most;
} BerthFrameRow;

static const BerthFrameRow berth_frame_rows[] = {
  { BERTH_FRAME_HELLO, BERTH_FRAME_OF_HOST, sizeof (BerthHello), sizeof (BerthHello) },
  { BERTH_FRAME_IDENTITY, BERTH_FRAME_OF_HOST, sizeof (BerthIdentity), sizeof (BerthIdentity) },
  { BERTH_FRAME_EXEC, BERTH_FRAME_OF_HOST, sizeof (BerthExecHead),
    sizeof (BerthExecHead) + BERTH_PATH_MAX },
  { BERTH_FRAME_KILL, BERTH_FRAME_OF_HOST, 4, 4 },
  { BERTH_FRAME_PING, BERTH_FRAME_OF_HOST, 8, 8 },
  { BERTH_FRAME_PUT, BERTH_FRAME_OF_HOST, sizeof (BerthPutHead) + 1,
    sizeof (BerthPutHead) + 4 + BERTH_HOLES_MAX * sizeof (BerthHole) + BERTH_PATH_MAX },
  { BERTH_FRAME_GET, BERTH_FRAME_OF_HOST, sizeof (BerthGetHead) + 1,
    sizeof (BerthGetHead) + BERTH_PATH_MAX },
  { BERTH_FRAME_LS, BERTH_FRAME_OF_HOST, sizeof (BerthLsHead) + 1,
    sizeof (BerthLsHead) + BERTH_PATH_MAX + BERTH_NAME_MAX },
  { BERTH_FRAME_RESIZE, BERTH_FRAME_OF_HOST, 8, 8 },
  { BERTH_FRAME_DATA, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, 4, BERTH_FRAME_MAX_PAYLOAD },
  { BERTH_FRAME_CREDIT, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, 8, 8 },
  { BERTH_FRAME_DONE, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, sizeof (BerthFileDone),
    sizeof (BerthFileDone) },
  { BERTH_FRAME_HELLO_REPLY, BERTH_FRAME_OF_AGENT, sizeof (BerthHelloReply),
    sizeof (BerthHelloReply) },
  { BERTH_FRAME_READY, BERTH_FRAME_OF_AGENT, 8, 8 },
  { BERTH_FRAME_IDENTITY_DONE, BERTH_FRAME_OF_AGENT, sizeof (BerthIdentityDone),
    sizeof (BerthIdentityDone) },
  { BERTH_FRAME_STARTED, BERTH_FRAME_OF_AGENT, 0, 0 },
  { BERTH_FRAME_EXIT, BERTH_FRAME_OF_AGENT, sizeof (BerthExit), sizeof (BerthExit) },
  { BERTH_FRAME_ERROR, BERTH_FRAME_OF_AGENT, 4, 4 + BERTH_TEXT_MAX },
  { BERTH_FRAME_PONG, BERTH_FRAME_OF_AGENT, 8, 8 },
  { BERTH_FRAME_EXECS, BERTH_FRAME_OF_HOST, 0, 0 },
  { BERTH_FRAME_ATTACH, BERTH_FRAME_OF_HOST, sizeof (BerthAttachHead), sizeof (BerthAttachHead) },
  { BERTH_FRAME_SIGNAL, BERTH_FRAME_OF_HOST, 8, 8 },
  { BERTH_FRAME_BEGUN, BERTH_FRAME_OF_AGENT, 4, 4 },
  { BERTH_FRAME_LOST, BERTH_FRAME_OF_AGENT, 8, 8 },
  { BERTH_FRAME_DETACHED, BERTH_FRAME_OF_AGENT, 0, 0 },
  { BERTH_FRAME_FREEZE, BERTH_FRAME_OF_HOST, 0, 0 },
  { BERTH_FRAME_THAW, BERTH_FRAME_OF_HOST, 8, 8 },
  { BERTH_FRAME_FROZEN, BERTH_FRAME_OF_AGENT, 4, 4 },
  { BERTH_FRAME_LINK_OPEN, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, 8, 8 + BERTH_LINK_NAME_MAX },
  { BERTH_FRAME_LINK_OPENED, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, 4, 4 },
  { BERTH_FRAME_LINK_END, BERTH_FRAME_OF_HOST | BERTH_FRAME_OF_AGENT, 4, 4 },
  { BERTH_FRAME_ALLOW, BERTH_FRAME_OF_HOST, 0, BERTH_ALLOW_MAX },
  { BERTH_FRAME_ALLOWED, BERTH_FRAME_OF_AGENT, 0, 0 },
  { BERTH_FRAME_NO_NAME, BERTH_FRAME_OF_AGENT, 1, BERTH_LINK_NAME_MAX },
  { BERTH_FRAME_NO_PORT, BERTH_FRAME_OF_AGENT, 5, 4 + BERTH_LINK_NAME_MAX },
  { BERTH_FRAME_PLUG, BERTH_FRAME_OF_HOST, 6, 6 },
  { BERTH_FRAME_PLUGGED, BERTH_FRAME_OF_AGENT, 4, 4 },
};

static inline uint32_t
berth_le32_read (const uint8_t *bytes)
{
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
         | (uint32_t)bytes[3] << 24;
}

static inline void
berth_le32_write (uint8_t *bytes, uint32_t value)
{
  for (unsigned i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t
berth_le64_read (const uint8_t *bytes)
{
  return (uint64_t)berth_le32_read (bytes) | (uint64_t)berth_le32_read (bytes + 4) << 32;
}

static inline void
berth_le64_write (uint8_t *bytes, uint64_t value)
{
  berth_le32_write (bytes, (uint32_t)value);
  berth_le32_write (bytes + 4, (uint32_t)(value >> 32));
}

static inline void
berth_frame_head_write (uint8_t out[BERTH_FRAME_HEAD_SIZE], uint32_t type, uint32_t request,
                        uint32_t length)
{
  berth_le32_write (out, type);
  berth_le32_write (out + 4, request);
  berth_le32_write (out + 8, length);
}

/* Reads a head; false when its length is out of bounds. The type is left to the caller. */
static inline bool
berth_frame_head_read (const uint8_t in[BERTH_FRAME_HEAD_SIZE], BerthFrameHead *out_head)
{
  BerthFrameHead head
      = { berth_le32_read (in), berth_le32_read (in + 4), berth_le32_read (in + 8) };

  if (head.length > BERTH_FRAME_MAX_PAYLOAD)
    return false;
  *out_head = head;
  return true;
}

/* Whether @sender (BERTH_FRAME_OF_...) may send this one. */
static inline bool
berth_frame_head_is_legal (const BerthFrameHead *head, unsigned sender)
{
  for (size_t i = 0; i < sizeof berth_frame_rows / sizeof berth_frame_rows[0]; i++)
    {
      const BerthFrameRow *row = &berth_frame_rows[i];

      if (row->type == head->type)
        return (row->senders & sender) != 0 && head->length >= row->least
               && head->length <= row->most;
    }
  return false;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "the packed structs above are read as they lie in memory: little-endian machines only"
#endif
