using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

/// <summary>Against a real slapd with a directory of three people and two groups.</summary>
public sealed class LdapDirectoryTests : IClassFixture<LdapDirectoryTests.Slapd>, IDisposable
{
    static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");

    readonly string directory = Directory.CreateTempSubdirectory("ldap").FullName;
    readonly ManualTime time = new();
    readonly Slapd slapd;
    readonly Database database;
    readonly List<IDisposable> opened = [];

    public LdapDirectoryTests(Slapd slapd)
    {
        this.slapd = slapd;
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
    }

    public void Dispose()
    {
        opened.ForEach(one => one.Dispose());
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    LdapSettings Template => new()
    {
        Host = "127.0.0.1",
        Port = slapd.Port,
        Template = "uid={user},ou=people,dc=example,dc=org",
        GroupBase = "ou=groups,dc=example,dc=org",
        Roles = [new LdapRole("operators", "administrator", null), new LdapRole("cn=crew,ou=groups,dc=example,dc=org", "developer", "qa")],
    };

    LdapSettings Search => Template with
    {
        Template = null,
        BindName = "cn=reader,dc=example,dc=org",
        BindPassword = "reader-password",
        SearchBase = "dc=example,dc=org",
        SearchFilter = "(|(uid={user})(mail={user}))",
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_password_of_the_directory_lets_in_with_the_roles_of_its_groups(bool template)
    {
        var room = Open(template ? Template : Search);

        var carol = (await room.Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default))!;
        Assert.Equal(("carol", "ldap password", true), (carol.User, carol.Credential, carol.IsAdmin));
        Assert.Equal("Carol Example", room.Users.Find("carol")!.FullName);
        Assert.Equal("carol@example.org", room.Users.Find("carol")!.Email);
        var dave = (await room.Gatekeeper.IdentifyAsync("DAVE", "daves-password", Here, default))!;
        Assert.True(room.Gatekeeper.May(dave, Permission.Deploy, "qa/shop"));
        Assert.False(room.Gatekeeper.May(dave, Permission.View, "prod/shop"));

        // Known, but in no group of ours: may do nothing at all (reference 2.12).
        var erin = (await room.Gatekeeper.IdentifyAsync("erin", "erins-password", Here, default))!;
        Assert.Equal(Rights.None.Everywhere, erin.Rights.Everywhere);
        Assert.False(room.Gatekeeper.May(erin, Permission.View, "qa/shop"));
    }

    [Theory]
    [InlineData("carol", "daves-password")]
    [InlineData("carol", "")]
    [InlineData("nobody", "carols-password")]
    [InlineData("*", "carols-password")]
    [InlineData("carol,ou=people", "carols-password")]
    [InlineData("carol)(uid=*", "carols-password")]
    [InlineData("", "carols-password")]
    public async Task A_wrong_pair_lets_nobody_in(string user, string password)
    {
        foreach (var settings in (LdapSettings[])[Template, Search])
        {
            var room = Open(settings);
            Assert.Null(await room.Gatekeeper.IdentifyAsync(user, password, Here, default));
            Assert.Equal(["admin"], room.Users.List().Select(one => one.Name));
        }
    }

    [Fact]
    public async Task A_local_user_and_a_disabled_one_are_not_the_directorys_to_let_in()
    {
        var room = Open(Template);
        room.Users.Add("carol");
        Assert.Null(await room.Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default));

        Assert.NotNull(await room.Gatekeeper.IdentifyAsync("dave", "daves-password", Here, default));
        room.Users.Edit("dave", null, null, disabled: true);
        Assert.Null(await room.Gatekeeper.IdentifyAsync("dave", "daves-password", Here, default));
    }

    [Fact]
    public async Task Who_leaves_a_group_loses_its_role_at_the_next_login()
    {
        var room = Open(Template);
        Assert.NotNull(await room.Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default));
        var later = Open(Template with { Roles = [] });
        time.Advance(Gatekeeper.Remembered);
        Assert.NotNull(await later.Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default));
        Assert.Empty(later.Users.Find("carol")!.Grants);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_line_to_the_directory_is_encrypted_and_its_certificate_looked_at(bool startTls)
    {
        var settings = Template with { Port = startTls ? slapd.Port : slapd.TlsPort, Tls = !startTls, StartTls = startTls };

        Assert.NotNull(await Open(settings with { TrustedCertificates = slapd.Certificates }).Gatekeeper.IdentifyAsync("dave", "daves-password", Here, default));
        Assert.Null(await Open(settings).Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default)); // nobody vouches for it
    }

    [Fact]
    public async Task A_directory_that_does_not_answer_keeps_no_local_user_waiting_for_long()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var room = Open(Template with { Port = ((IPEndPoint)silent.LocalEndpoint).Port, Timeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
        room.Users.Add("alice");
        room.Users.SetPassword("alice", "correct horse battery");

        Assert.Null(await room.Gatekeeper.IdentifyAsync("carol", "carols-password", Here, default).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.NotNull(await room.Gatekeeper.IdentifyAsync("alice", "correct horse battery", Here, default));
        var token = room.Tokens.Create("t", isAdmin: false, user: "alice").Secret;
        Assert.NotNull(await room.Gatekeeper.IdentifyAsync("x", token, Here, default));
    }

    [Fact]
    public void What_is_put_into_a_filter_or_a_name_means_only_itself()
    {
        Assert.Equal("a\\2ab\\28\\29\\5c\\00\\c3\\a4", LdapDirectory.InFilter("a*b()\\\0ä"));
        Assert.Equal("a\\,b\\=c\\+d.e@f-g", LdapDirectory.InName("a,b=c+d.e@f-g"));
    }

    AccessRoom Open(LdapSettings settings, TimeProvider? clock = null)
    {
        var room = AccessRoom.WithDirectory(database, clock ?? time, room => new LdapDirectory(settings, room, clock ?? time, NullLogger<LdapDirectory>.Instance));
        opened.Add(room);
        return room;
    }

    /// <summary>slapd of Debian with a database of its own, in the foreground.</summary>
    public sealed class Slapd : IAsyncLifetime
    {
        readonly string place = Directory.CreateTempSubdirectory("slapd").FullName;
        ChildProcess? process;

        public int Port { get; private set; }

        public int TlsPort { get; private set; }

        /// <summary>The certificate that vouches for it, as a directory by hash.</summary>
        public string Certificates => Path.Combine(place, "trusted");

        public async Task InitializeAsync()
        {
            Assert.True(File.Exists("/usr/sbin/slapd"), "This test needs the Debian package slapd; scripts/test installs it.");
            Directory.CreateDirectory(Path.Combine(place, "db"));
            Directory.CreateDirectory(Certificates);
            await new Command(
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", In("key.pem"), "-out", In("cert.pem")).OutputAsync();
            var hash = (await new Command("openssl", "x509", "-hash", "-noout", "-in", In("cert.pem")).OutputAsync()).Trim();
            File.Copy(In("cert.pem"), Path.Combine(Certificates, hash + ".0"));
            await File.WriteAllTextAsync(In("slapd.conf"), $"""
                include /etc/ldap/schema/core.schema
                include /etc/ldap/schema/cosine.schema
                include /etc/ldap/schema/inetorgperson.schema
                modulepath /usr/lib/ldap
                moduleload back_mdb
                pidfile {In("pid")}
                TLSCertificateFile {In("cert.pem")}
                TLSCertificateKeyFile {In("key.pem")}
                database mdb
                maxsize 10485760
                suffix "dc=example,dc=org"
                directory {In("db")}
                access to attrs=userPassword by anonymous auth by * none
                access to * by users read
                """);
            await File.WriteAllTextAsync(In("people.ldif"), """
                dn: dc=example,dc=org
                objectClass: dcObject
                objectClass: organization
                o: Example
                dc: example

                dn: cn=reader,dc=example,dc=org
                objectClass: person
                cn: reader
                sn: reader
                userPassword: reader-password

                dn: ou=people,dc=example,dc=org
                objectClass: organizationalUnit
                ou: people

                dn: ou=groups,dc=example,dc=org
                objectClass: organizationalUnit
                ou: groups

                dn: uid=carol,ou=people,dc=example,dc=org
                objectClass: inetOrgPerson
                uid: carol
                cn: Carol Example
                sn: Example
                mail: carol@example.org
                userPassword: carols-password

                dn: uid=dave,ou=people,dc=example,dc=org
                objectClass: inetOrgPerson
                uid: dave
                cn: Dave
                sn: Example
                userPassword: daves-password

                dn: uid=erin,ou=people,dc=example,dc=org
                objectClass: inetOrgPerson
                uid: erin
                cn: Erin
                sn: Example
                userPassword: erins-password

                dn: cn=operators,ou=groups,dc=example,dc=org
                objectClass: groupOfNames
                cn: operators
                member: uid=carol,ou=people,dc=example,dc=org

                dn: cn=crew,ou=groups,dc=example,dc=org
                objectClass: groupOfNames
                cn: crew
                member: uid=carol,ou=people,dc=example,dc=org
                member: uid=dave,ou=people,dc=example,dc=org

                """);
            await new Command("/usr/sbin/slapadd", "-f", In("slapd.conf"), "-l", In("people.ldif")).OutputAsync();
            (Port, TlsPort) = FreePorts();
            process = new Command("/usr/sbin/slapd", "-d", "0", "-f", In("slapd.conf"), "-h", $"ldap://127.0.0.1:{Port}/ ldaps://127.0.0.1:{TlsPort}/").Start();
            await UntilItListensAsync();
        }

        public async Task DisposeAsync()
        {
            if (process is not null)
            {
                await process.StopAsync(TimeSpan.FromSeconds(10));
                await process.DisposeAsync();
            }

            Directory.Delete(place, recursive: true);
        }

        string In(string name) => Path.Combine(place, name);

        async Task UntilItListensAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (true)
            {
                try
                {
                    using var client = new TcpClient();
                    await client.ConnectAsync(IPAddress.Loopback, TlsPort, limit.Token);
                    return;
                }
                catch (SocketException)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(20), limit.Token);
                }
            }
        }

        static (int, int) FreePorts()
        {
            using var one = new TcpListener(IPAddress.Loopback, 0);
            using var other = new TcpListener(IPAddress.Loopback, 0);
            one.Start();
            other.Start();
            return (((IPEndPoint)one.LocalEndpoint).Port, ((IPEndPoint)other.LocalEndpoint).Port);
        }
    }
}
