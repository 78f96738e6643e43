"""Which commands only look: nothing that writes may pass."""

from __future__ import annotations

import pytest

from constellation.planner.prose.commands import only_looks

LOOKS = [
    "ls -la /var",
    "df -h | sort -k5 | head -n 3",
    "ps aux | grep nginx | wc -l",
    "systemctl status nginx",
    "sudo journalctl -u nginx --since today",
    "git log --oneline -5; git status",
    "docker logs --tail 20 web",
    "kubectl get pods -A && kubectl describe pod x",
    "curl -sSf http://127.0.0.1:8080/health",
    "ip addr show",
    "ip a",
    "find /var/log -name '*.log' -size +1M",
    "ping -c 3 db1 > /dev/null 2>&1",
    "cat /etc/hosts # who is who",
    "date +%s",
    "nginx -t",
    "/usr/bin/uptime",
    "frobnicate --version",
    "ls\n# a remark\ndf",
    "sort | uniq -c",
    "hostname -f",
]
WRITES = [
    "rm -rf /tmp/x",
    "systemctl restart nginx",
    "ls > list.txt",
    "ls >> list.txt",
    "echo x | tee file",
    "ls; rm x",
    "ls && rm x",
    "ls || rm x",
    "ls & rm x",
    "ls | xargs rm",
    "ls\nrm x",
    "ls # quiet\nrm x",
    "ls $(rm x)",
    "ls `rm x`",
    "cat <(rm x)",
    "find . -delete",
    "find . -name x -exec rm {} +",
    "curl -X POST http://a",
    "curl -sXPOST http://a",
    "curl --data=x http://a",
    "curl -o file http://a",
    "curl -so file http://a",
    "dmesg -C",
    "dmesg -Tc",
    "journalctl --vacuum-size=1G",
    "sort -o file file",
    "sort --output=file file",
    "uniq a b",
    "tree -o file",
    "date -s 12:00",
    "date 010100002030",
    "hostname new",
    "mount /dev/sda1 /mnt",
    "ip link set eth0 down",
    "ip route add default via 10.0.0.1",
    "git checkout main",
    "docker rm web",
    "kubectl delete pod x",
    "apt install x",
    "npm install",
    "sed -i s/a/b/ f",
    "awk 'BEGIN {system(\"rm x\")}'",
    "env rm x",
    "timeout 5 rm x",
    "sudo -u root rm x",
    "sudo rm x",
    "bash -c 'rm x'",
    "FOO=1 rm x",
    "$CMD x",
    "(rm x)",
    "{ rm x; }",
    "if true; then rm x; fi",
    "./deploy.sh",
    "reboot",
    "ls 'open",
    "",
    "# only a remark",
]


@pytest.mark.parametrize("command", LOOKS)
def test_what_only_looks(command: str) -> None:
    assert only_looks(command)


@pytest.mark.parametrize("command", WRITES)
def test_what_may_change_something(command: str) -> None:
    assert not only_looks(command)
