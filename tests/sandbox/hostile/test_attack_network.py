"""Reaching anybody: sockets of every family, names, memory and messages that two processes could share."""

from __future__ import annotations

import pytest
from attacks import ABSENT, REFUSED, Attack, Place, named

SOCKETS = {
    "tcp": (2, 1, 0),
    "udp": (2, 2, 0),
    "tcp 6": (10, 1, 0),
    "raw": (2, 3, 1),
    "icmp": (2, 2, 1),
    "unix": (1, 1, 0),
    "unix packets": (1, 5, 0),
    "netlink": (16, 3, 0),
    "packet": (17, 3, 3),
    "vsock": (40, 1, 0),
    "alg": (38, 5, 0),
    "bluetooth": (31, 3, 1),
    "can": (29, 3, 1),
    "xdp": (44, 3, 0),
    "key": (15, 3, 2),
    "mctp": (45, 2, 0),
    "smc": (43, 1, 0),
    "mptcp": (2, 1, 262),
    "sctp": (2, 1, 132),
}

ATTACKS = [
    Attack(
        13,
        "a connection of any kind",
        {name: f"socket.socket({', '.join(map(str, kind))})" for name, kind in SOCKETS.items()}
        | {
            "tcp to a listener": "socket.create_connection(('127.0.0.1', W['tcp']))",
            "udp to a listener": "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', W['udp']))",
            "unix to a listener": "socket.socket(1).connect(W['unix'])",
            "abstract to a listener": "socket.socket(1, 2).sendto(b'x', '\\0' + mark)",
            "a pair": "socket.socketpair()",
            "a name": "socket.getaddrinfo('example.org', 80)",
            "the host's name": "socket.gethostbyname(os.uname().nodename)",
            "urllib": "urllib()",
            "io_uring": "call('io_uring_setup', 8, text('\\0' * 120))",
            "socketcall by connect": "call('connect', 0, text('\\0' * 16), 16)",
            "sendto on what is open": "call('sendto', 1, text('x'), 1, 0, 0, 0)",
            "sendmsg on what is open": "call('sendmsg', 1, text('\\0' * 56), 0)",
            "recvmsg on what is open": "call('recvmsg', 0, text('\\0' * 56), 0)",
            "the list of interfaces": "socket.if_nameindex()",
            "a listener of its own": "socket.create_server(('127.0.0.1', 0))",
        },
        REFUSED | {"gaierror", "URLError", "EAI_AGAIN", "32", "50"},
        REFUSED | ABSENT | {"gaierror", "URLError"},
        setup="""
def urllib():
    import urllib.request
    return urllib.request.urlopen(f"http://127.0.0.1:{W['tcp']}/", timeout=1).read()
""",
    ),
    Attack(
        12,
        "memory and messages that outlive it",
        {
            "shm_open": "checked(libc.shm_open(b'/' + mark.encode(), 0o102, 0o600))",
            "shmget": "call('shmget', W['key'], 4096, 0o1666)",
            "semget": "call('semget', W['key'], 1, 0o1666)",
            "msgget": "call('msgget', W['key'], 0o1666)",
            "shmat": "call('shmat', 0, 0, 0)",
            "semtimedop": "call('semtimedop', 0, 0, 0, 0)",
            "mq_open": "call('mq_open', text(mark), 0o102, 0o600, 0)",
            "mq_notify": "call('mq_notify', 0, text('\\0' * 64))",
            "memfd_create": "os.memfd_create('m')",
            "memfd_secret": "call('memfd_secret', 0)",
            "add_key": "call('add_key', text('user'), text(mark), text('x'), 1, -3)",
            "request_key": "call('request_key', text('user'), text(mark), 0, -3)",
            "keyctl": "call('keyctl', 0, -3, 0, 0, 0)",
            "shared anonymous": "mmap.mmap(-1, 4096)",
            "shared and validated": "mmap.mmap(-1, 4096, 0x23)",
            "shared zeros": "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)",
            "torch in shared memory": "torch.ones(2).share_memory_()",
            "multiprocessing": "shared_memory()",
            "a timer": "call('timer_create', 0, 0, text('\\0' * 8))",
            "a timer's thread": "call('timer_create', 1, text('\\0' * 64), text('\\0' * 8))",
            "timerfd": "call('timerfd_create', 0, 0)",
            "signalfd": "call('signalfd4', -1, text('\\xff' * 8), 8, 0)",
            "inotify": "call('inotify_init1', 0)",
            "fanotify": "call('fanotify_init', 0, 0)",
            "a lock that others see": "__import__('fcntl').lockf(0, 2)",
            "flock": "__import__('fcntl').flock(0, 2)",
            "a lease": "__import__('fcntl').fcntl(0, 1024, 1)",
        },
        REFUSED | {"RuntimeError"},
        REFUSED | ABSENT | {"RuntimeError"},
        setup="""
import torch
def shared_memory():
    from multiprocessing.shared_memory import SharedMemory
    return SharedMemory(mark, create=True, size=4096)
""",
    ),
]


@pytest.mark.parametrize("attack", named(ATTACKS))
def test_nobody_is_reached_and_nothing_is_left(where: Place, attack: Attack) -> None:
    where.suffer(attack)
