using Paas.Receiver.Processes;

namespace Paas.Receiver.Stage;

/// <summary>A bot that pushes refs as PaaSTA's tools do (reference 3.3): dulwich, an empty pack, and over HTTP a body in chunks.</summary>
static class DulwichBot
{
    const string Script = """
        import os, sys
        from dulwich.client import get_transport_and_path
        url, ref, commit = (word.encode() for word in sys.argv[1:4])
        token = os.environ.get("TOKEN")
        client, path = get_transport_and_path(url.decode(), **(dict(username="bot", password=token) if token else {}))
        def wants(refs):
            changed = dict(refs)
            changed[ref] = commit
            return changed
        result = client.send_pack(path, wants, lambda *words, **named: (0, iter([])), progress=lambda text: sys.stdout.write(text.decode()))
        assert not any((result.ref_status or {}).values()), result.ref_status
        """;

    /// <summary>Debian's python3-dulwich is installed.</summary>
    public static async Task<bool> IsHereAsync() => (await new Command("/usr/bin/python3", "-c", "import dulwich").RunAsync()).ExitCode == 0;

    /// <summary>Makes or moves one ref; returns what the receiver said.</summary>
    /// <param name="token">For HTTP.</param>
    /// <param name="ssh">The command for ssh, in git's words.</param>
    /// <exception cref="CommandFailedException">The ref was not taken.</exception>
    public static Task<string> MarkAsync(string url, string reference, string commit, string? token = null, string? ssh = null) =>
        new Command("/usr/bin/python3", "-c", Script, url, reference, commit).With([new("HOME", "/nonexistent"), new("TOKEN", token ?? ""), new("GIT_SSH_COMMAND", ssh ?? "")]).OutputAsync();
}
