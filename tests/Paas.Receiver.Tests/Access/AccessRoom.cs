using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>Everything of the room, on one database.</summary>
sealed class AccessRoom : IDisposable
{
    readonly Passwords passwords;

    public AccessRoom(Database database, TimeProvider time, params IReadOnlyList<IPasswordSource> further)
    {
        Tokens = new Tokens(database, time);
        Users = new Users(database, time);
        Keys = new Keys(database, time);
        Audit = new AuditLog(database, time, NullLogger<AuditLog>.Instance);
        passwords = new Passwords(Users);
        Gatekeeper = new Gatekeeper(Tokens, Users, [passwords, .. further], Passes, Audit, time);
    }

    public Tokens Tokens { get; }

    public Users Users { get; }

    public Keys Keys { get; }

    public Passes Passes { get; } = new();

    public AuditLog Audit { get; }

    public Gatekeeper Gatekeeper { get; }

    public IServiceCollection AddTo(IServiceCollection services) => services
        .AddSingleton(Tokens).AddSingleton(Users).AddSingleton(Keys).AddSingleton(Passes).AddSingleton(Audit).AddSingleton(Gatekeeper)
        .AddSingleton(Proxies.None).AddSingleton<RepositoryGate>();

    public void Dispose()
    {
        Tokens.Dispose();
        passwords.Dispose();
    }
}
