using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>Everything of the room, on one database.</summary>
sealed class AccessRoom : IDisposable
{
    readonly Passwords passwords;
    readonly IDisposable? directory;

    public AccessRoom(Database database, TimeProvider time)
        : this(database, time, _ => null)
    {
    }

    AccessRoom(Database database, TimeProvider time, Func<Users, LdapDirectory?> make)
    {
        Tokens = new Tokens(database, time);
        Users = new Users(database, time);
        Keys = new Keys(database, time);
        Audit = new AuditLog(database, time, NullLogger<AuditLog>.Instance);
        passwords = new Passwords(Users);
        var further = make(Users);
        directory = further;
        Gatekeeper = new Gatekeeper(Tokens, Users, further is null ? [passwords] : [passwords, further], Passes, Audit, time);
    }

    public static AccessRoom WithDirectory(Database database, TimeProvider time, Func<Users, LdapDirectory> make) => new(database, time, make);

    public Tokens Tokens { get; }

    public Users Users { get; }

    public Keys Keys { get; }

    public Passes Passes { get; } = new();

    public AuditLog Audit { get; }

    public Gatekeeper Gatekeeper { get; }

    public IServiceCollection AddTo(IServiceCollection services) => services
        .AddSingleton(Tokens).AddSingleton(Users).AddSingleton(Keys).AddSingleton(Passes).AddSingleton(Audit).AddSingleton(Gatekeeper)
        .AddSingleton<Sessions>().AddSingleton(Proxies.None).AddSingleton<RepositoryGate>();

    public void Dispose()
    {
        Tokens.Dispose();
        passwords.Dispose();
        directory?.Dispose();
    }
}
