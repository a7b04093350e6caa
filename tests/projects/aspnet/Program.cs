var app = WebApplication.CreateBuilder(args).Build();
var mapper = typeof(Dapper.SqlMapper).Assembly.GetName();
app.MapGet("/plain", () => $"aspnet {Environment.GetEnvironmentVariable("PAAS_RELEASE")} {app.Environment.EnvironmentName} with {mapper.Name}\n");
app.Run();
