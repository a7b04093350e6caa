using System.Net;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Access;

/// <summary>Says who asks and what they may do. Every door asks here, and nothing else decides.</summary>
sealed class Gatekeeper(Tokens tokens, TimeProvider time)
{
    readonly Failures failures = new(time);

    /// <summary>
    /// The caller whose token the password is (any user name); null when it is nobody's. Ask only when credentials were given: git's first
    /// request has none, and that is no failed try.
    /// </summary>
    /// <exception cref="ThrottledException">
    /// <see cref="Failures.Allowed"/> wrong tries came from this address within a minute; not even a right one is looked at until they are older.
    /// </exception>
    public Task<Caller?> IdentifyAsync(string? user, string? password, IPAddress from, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (failures.Wait(from) is { } wait)
        {
            return Task.FromException<Caller?>(new ThrottledException(wait));
        }

        // Some clients can only give one of the two and put the token where the user name goes.
        var given = string.IsNullOrEmpty(password) ? user : password;
        if (given is not null && tokens.Find(given) is { } token)
        {
            return Task.FromResult<Caller?>(new Caller(token.Name, token.IsAdmin, token.OnlyProject));
        }

        failures.Add(from);
        return Task.FromResult<Caller?>(null);
    }

    /// <summary>May this caller do that? A project is named by its <c>env/name</c>, also one that does not exist (yet).</summary>
    public bool May(Caller caller, Permission permission, string? projectKey = null) => permission switch
    {
        _ when caller.IsAdmin => true,
        Permission.Administer => false,
        Permission.CreateProject => caller.OnlyProject is null,
        _ => projectKey is not null && (caller.OnlyProject is null || caller.OnlyProject == projectKey),
    };

    public bool May(Caller caller, Permission permission, Project project) => May(caller, permission, project.Key);
}
