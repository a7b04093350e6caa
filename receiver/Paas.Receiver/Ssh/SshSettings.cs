using System.Net;

namespace Paas.Receiver.Ssh;

/// <summary>Where sshd listens and what it needs.</summary>
/// <param name="Listen">Null: no sshd of ours. The socket is there all the same, for the machine's own.</param>
/// <param name="State">The receiver's own directory; ours is <c>ssh</c> in it.</param>
/// <param name="Hooks">Where <c>ssh-relay</c> is.</param>
/// <param name="Control">Where our own HTTP API answers, for the verbs.</param>
sealed record SshSettings(IPEndPoint? Listen, string State, string Hooks, Uri Control)
{
    /// <summary>The program; sshd wants to be called by its full path.</summary>
    public string Program { get; init; } = "/usr/sbin/sshd";

    /// <summary>The account that people name before the <c>@</c>: the one the receiver runs as. Who they are is said by their key.</summary>
    public string Account { get; init; } = System.Environment.UserName;

    public string Directory => Path.Combine(State, "ssh");

    public string AuthorizedKeys => Path.Combine(Directory, "authorized_keys");

    public string Door => Path.Combine(Directory, "door");
}
